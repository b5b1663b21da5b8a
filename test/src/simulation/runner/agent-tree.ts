// Owns the processes of one attempt, as the kernel would: a first process, perhaps one in the background, their pipes, their deaths. They
// live on whatever becomes of their runner. Knows no lifeline and no report.
import type { FirstProcess, OutputPipe, Tree } from "@reveille/runner/containment/tree";
import type { Timer } from "@reveille/shared/runtime/clock";
import type { Loop } from "../machine/loop.js";
import type { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";
import type { AgentPlan } from "./agent-plan.js";
import { Channel } from "./channel.js";

export interface TreeParts {
  loop: Loop;
  random: Random;
  /** Who reads the pipes and hears of the end. */
  runner: SimProcess;
  /** Whose clock the agents live by. */
  agents: SimProcess;
  pid: number;
  plan: AgentPlan;
  /** False when the lifeline is cut: what has not joined then never begins. */
  canJoin: () => boolean;
  onStart: () => void;
  /** The last process is dead. `killed`: somebody's SIGKILL ended it. */
  onEnd: (killed: boolean) => void;
}

/** From the fork until the command runs, microseconds. */
const joinUs = { least: 500, most: 20_000 } as const;
/** From a signal to the death, microseconds; one in ten is big or waits for its disk, and takes long. */
const dieUs = { least: 20, most: 2_000 } as const;
const dieLateUs = { least: 2_000, most: 400_000 } as const;
/** What the launching shell says when it cannot join its tree. */
const notJoinedCode = 119;

type Signal = "SIGTERM" | "SIGKILL";

export class AgentTree implements Tree {
  readonly spare = false;
  readonly #parts: TreeParts;
  readonly #first: SimFirstProcess;
  #state: "unborn" | "joining" | "running" | "dead" = "unborn";
  #firstLives = false;
  #backgroundLives = false;
  /** SIGKILL is on its way: another one makes it no faster. */
  #doomed = false;
  readonly #timers: Timer[] = [];

  constructor(parts: TreeParts) {
    this.#parts = parts;
    this.#first = new SimFirstProcess(parts);
  }

  /** True while any process of it lives, also one that only waits to join. */
  get alive(): boolean {
    return this.#state === "joining" || this.#state === "running";
  }

  start(): FirstProcess {
    const { agents, canJoin } = this.#parts;
    this.#state = "joining";
    this.#firstLives = true;
    this.#after(agents, between(this.#parts.random, joinUs), () => {
      if (canJoin()) this.#begin();
      else this.#endFirst(notJoinedCode, null);
    });
    return this.#first;
  }

  signal(signal: "SIGTERM"): void {
    if (this.#state === "joining" || (this.alive && this.#parts.plan.heedsTerm)) this.#die(signal);
  }
  kill(): void {
    if (this.alive && !this.#doomed) this.#die("SIGKILL");
    this.#doomed = true;
  }
  gone(): boolean {
    return !this.alive;
  }
  /** At once, with nobody left to hear of it: the machine lost its power. */
  vanish(): void {
    if (this.alive) this.#dead(true);
  }

  #begin(): void {
    const { agents, plan, onStart } = this.#parts;
    this.#state = "running";
    onStart();
    for (const { atMs, stream, text } of plan.output)
      this.#after(agents, atMs, () => {
        if (this.#firstLives) this.#first[stream].write(Buffer.from(text));
      });
    this.#after(agents, plan.runMs, () => this.#endFirst(plan.exitCode, null));
    if (plan.backgroundMs === null) return;
    this.#backgroundLives = true;
    this.#after(agents, plan.backgroundMs, () => {
      this.#backgroundLives = false;
      this.#look(false);
    });
  }

  /** The kernel does it: also while the agents are frozen. */
  #die(signal: Signal): void {
    const { loop, random } = this.#parts;
    loop.schedule(between(random, random.chance(0.1) ? dieLateUs : dieUs), () => {
      this.#backgroundLives = false;
      this.#endFirst(null, signal);
      this.#look(signal === "SIGKILL");
    });
  }

  #endFirst(code: number | null, signal: Signal | null): void {
    if (!this.#firstLives) return;
    this.#firstLives = false;
    this.#first.ended(code, signal);
    this.#look(signal === "SIGKILL");
  }

  #look(killed: boolean): void {
    if (this.alive && !this.#firstLives && !this.#backgroundLives) this.#dead(killed);
  }

  #dead(killed: boolean): void {
    const began = this.#state === "running";
    this.#state = "dead";
    this.#firstLives = false;
    this.#backgroundLives = false;
    for (const timer of this.#timers.splice(0)) timer.cancel();
    this.#first.stdout.end();
    this.#first.stderr.end();
    if (began) this.#parts.onEnd(killed);
  }

  #after(process: SimProcess, ms: number, call: () => void): void {
    this.#timers.push(process.later(ms, call));
  }
}

const between = (random: Random, us: { least: number; most: number }): number =>
  random.between(us.least, us.most) / 1_000;

type Exit = (code: number | null, signal: NodeJS.Signals | null) => void;

class SimFirstProcess implements FirstProcess {
  readonly pid: number;
  readonly stdout: SimPipe;
  readonly stderr: SimPipe;
  readonly #channel: Channel;
  #exit: Exit = () => undefined;

  constructor({ loop, random, runner, pid }: TreeParts) {
    this.pid = pid;
    this.#channel = new Channel(loop, random, runner);
    this.stdout = new SimPipe(new Channel(loop, random, runner));
    this.stderr = new SimPipe(new Channel(loop, random, runner));
  }
  once(event: "error" | "exit", listener: ((error: Error) => void) | Exit): void {
    if (event === "exit") this.#exit = listener as Exit;
  }
  ended(code: number | null, signal: Signal | null): void {
    this.#channel.send(() => this.#exit(code, signal));
  }
}

/** One output, as the runner reads it. */
class SimPipe implements OutputPipe {
  readonly #channel: Channel;
  readonly #held: (() => void)[] = [];
  #data: (chunk: Buffer) => void = () => undefined;
  #close: () => void = () => undefined;
  #paused = false;
  #ended = false;
  #destroyed = false;

  constructor(channel: Channel) {
    this.#channel = channel;
  }
  on(
    event: "data" | "error",
    listener: ((chunk: Buffer) => void) | ((error: Error) => void),
  ): void {
    if (event === "data") this.#data = listener as (chunk: Buffer) => void;
  }
  once(_event: "close", listener: () => void): void {
    this.#close = listener;
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    for (const call of this.#held.splice(0)) call();
  }
  destroy(): void {
    this.#destroyed = true;
  }
  write(chunk: Buffer): void {
    this.#deliver(() => this.#data(chunk));
  }
  /** The last process that held it is dead. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#deliver(() => this.#close());
  }

  #deliver(call: () => void): void {
    this.#channel.send(() => {
      if (this.#destroyed) return;
      if (this.#paused) this.#held.push(call);
      else call();
    });
  }
}
