// Owns one simulated process: its clock, and the gate through which everything from outside reaches its code. A killed process hears
// nothing any more; a frozen one hears everything later, in order, when it is thawed. Knows nothing of what runs in it.
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import { simulationStartMs, type Loop } from "./loop.js";

export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #loop: Loop;
  readonly #held: (() => void)[] = [];
  readonly #deaths: (() => void)[] = [];
  #state: "running" | "frozen" | "dead" = "running";
  /** Added to its wall clock: a clock that is wrong, or was set. */
  wallOffsetMs = 0;

  constructor(loop: Loop, name: string) {
    this.#loop = loop;
    this.name = name;
    this.clock = this.#createClock();
  }

  get state(): "running" | "frozen" | "dead" {
    return this.#state;
  }
  /** Whatever reaches its code (an answer, a message, a timer) goes through here. */
  enter(call: () => void): void {
    if (this.#state === "dead") return;
    // What comes while older things still wait does not overtake them.
    if (this.#state === "frozen" || this.#held.length > 0) this.#held.push(call);
    else call();
  }
  /** In `delayMs` of simulated time, through the gate. */
  later(delayMs: number, call: () => void): Timer {
    return this.#loop.schedule(delayMs, () => this.enter(call));
  }
  /** As kill -9: nothing of it happens any more. */
  kill(): void {
    if (this.#state === "dead") return;
    this.#state = "dead";
    this.#held.length = 0;
    for (const told of this.#deaths.splice(0)) told();
  }
  /** As SIGSTOP. */
  freeze(): void {
    if (this.#state === "running") this.#state = "frozen";
  }
  /** As SIGCONT: what came meanwhile is heard in order, each in an event of its own. */
  thaw(): void {
    if (this.#state !== "frozen") return;
    this.#state = "running";
    this.#hearNext();
  }
  /** Calls once when it dies: sockets break, locks of the kernel are given back. */
  onDeath(told: () => void): void {
    if (this.#state === "dead") told();
    else this.#deaths.push(told);
  }

  #hearNext(): void {
    this.#loop.schedule(0, () => {
      if (this.#state !== "running") return;
      this.#held.shift()?.();
      if (this.#held.length > 0) this.#hearNext();
    });
  }

  #createClock(): Clock {
    const loop = this.#loop;
    return {
      wallMs: () => simulationStartMs + loop.nowMs + this.wallOffsetMs,
      monotonicMs: () => loop.nowMs,
      after: (ms, call) => this.later(ms, call),
      every: (ms, call) => {
        let cancelled = false;
        // A frozen process does not catch up on the turns that it missed, as Node's timers do not.
        const turn = (): void => {
          if (cancelled) return;
          call();
          next = this.later(ms, turn);
        };
        let next = this.later(ms, turn);
        return {
          cancel: () => {
            cancelled = true;
            next.cancel();
          },
        };
      },
      soon: (call) => void this.later(0, call),
    };
  }
}
