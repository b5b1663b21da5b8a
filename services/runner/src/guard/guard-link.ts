/**
 * The runner's side of its guard: tells it of every claim before anything of it can run, and notices
 * when it is gone or answers no more. Knows neither NATS nor how a process is started.
 */
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import type { RunFinished } from "@reveille/shared/protocol/execution";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Lifeline } from "../containment/lifeline.js";
import type { ClaimNote, FromGuard, Hello, ToGuard } from "./guard-protocol.js";

export interface GuardLink {
  readonly pid: number;
  readonly lifeline: Lifeline;
  claim(note: ClaimNote): void;
  went(claimId: string): void;
  /** The result is there: whatever becomes of us, it is not lost. */
  ran(claimId: string, report: RunFinished): void;
  end(claimId: string): void;
  deadline(atNs: bigint): void;
  /** Everything is reported: the guard cuts the lifeline and ends. Resolves when it has. */
  bye(): Promise<void>;
  /** Ends a guard that is no use any more. */
  kill(): void;
}
export interface GuardEvents {
  /** It killed every tree because the deadline passed. */
  onExpired: () => void;
  /** It ended, or does not answer. */
  onGone: (why: string) => void;
}

/** The guard as a process, with the two pipes between it and us; a port. */
export interface GuardPipe {
  readonly pid: number;
  /** Resolves when the process has ended, or never was. */
  readonly exited: Promise<void>;
  /** Goes nowhere when the pipe is broken. */
  send(message: ToGuard): void;
  /** As `send`, but what is sent in one turn may go out together, at its end. */
  sendSoon(message: ToGuard): void;
  /** SIGKILL. */
  kill(): void;
}
/** Starts a guard's process. What it says and that it is gone is told later, never within the call. */
export type SpawnGuard = (events: {
  onMessage: (message: FromGuard) => void;
  onGone: (why: string) => void;
}) => GuardPipe;

export interface GuardLinkPorts {
  clock: Clock;
  spawnGuard: SpawnGuard;
}

const pingEveryMs = 1_000;
/**
 * Pings without an answer before a guard counts as gone. Counted, not timed: a runner that was frozen
 * must first read what had arrived. 10: a machine this busy is in trouble anyway, and half the deadline.
 */
const unansweredMax = 10;
const startTimeoutMs = 20_000;

/** @throws Error when the guard cannot start, or refuses (no containment as asked for). */
export async function startGuard(
  ports: GuardLinkPorts,
  hello: Hello,
  events: GuardEvents,
  logger: Logger,
): Promise<GuardLink> {
  const guard = new LinkedGuard(ports, events);
  try {
    await guard.begin(hello);
  } catch (error) {
    guard.kill();
    throw error;
  }
  logger.debug({ guardPid: guard.pid, lifeline: guard.lifeline }, "guard started");
  return guard;
}

class LinkedGuard implements GuardLink {
  lifeline: Lifeline = { kind: "best_effort", path: "" };
  readonly #clock: Clock;
  readonly #events: GuardEvents;
  readonly #pipe: GuardPipe;
  readonly #pinging: Timer;
  /** Hears the answer to `hello`. */
  #answered: (message: Extract<FromGuard, { type: "ready" | "refused" }>) => void = () => undefined;
  /** From here on its end is no surprise. */
  #leaving = false;
  #gone = false;
  #unanswered = 0;

  constructor({ clock, spawnGuard }: GuardLinkPorts, events: GuardEvents) {
    this.#clock = clock;
    this.#events = events;
    this.#pipe = spawnGuard({
      onMessage: (message) => this.#take(message),
      onGone: (why) => this.#lost(why),
    });
    this.#pinging = clock.every(pingEveryMs, () => this.#ping());
  }

  get pid(): number {
    return this.#pipe.pid;
  }

  /** Resolves when the lifeline is there. */
  async begin(hello: Hello): Promise<void> {
    const started = new Promise<void>((resolve, reject) => {
      const limit = this.#clock.after(startTimeoutMs, () =>
        reject(new Error("the guard did not start")),
      );
      void this.#pipe.exited.then(() => {
        limit.cancel();
        reject(new Error("the guard ended while it started"));
      });
      this.#answered = (message) => {
        limit.cancel();
        if (message.type === "refused") return reject(new Error(message.reason));
        this.lifeline = message.lifeline;
        resolve();
      };
    });
    this.#pipe.send(hello);
    await started;
  }

  claim(note: ClaimNote): void {
    // At once: `run.started` goes out at the end of this turn, and a runner that is killed right behind it must leave a guard that knows.
    this.#pipe.send({ type: "claim", ...note });
  }
  went(claimId: string): void {
    this.#pipe.sendSoon({ type: "went", claimId });
  }
  ran(claimId: string, report: RunFinished): void {
    // At once: it is for the case that this process ends at any instant from here on.
    this.#pipe.send({ type: "ran", claimId, report });
  }
  end(claimId: string): void {
    this.#pipe.sendSoon({ type: "end", claimId });
  }
  deadline(atNs: bigint): void {
    this.#pipe.send({ type: "deadline", atNs: atNs.toString() });
  }

  async bye(): Promise<void> {
    this.#leave();
    this.#pipe.send({ type: "bye" });
    await this.#pipe.exited;
  }

  kill(): void {
    this.#leave();
    this.#pipe.kill();
  }

  #leave(): void {
    this.#leaving = true;
    this.#pinging.cancel();
  }

  #lost(why: string): void {
    this.#pinging.cancel();
    if (this.#gone || this.#leaving) return;
    this.#gone = true;
    this.#events.onGone(why);
  }

  #take(message: FromGuard): void {
    if (message.type === "pong") this.#unanswered = 0;
    else if (message.type === "expired") this.#events.onExpired();
    else this.#answered(message);
  }

  #ping(): void {
    if (this.#unanswered >= unansweredMax)
      return this.#lost(`${this.#unanswered} pings without an answer`);
    this.#unanswered += 1;
    this.#pipe.send({ type: "ping" });
  }
}
