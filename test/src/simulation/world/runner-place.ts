// Owns one place for a runner in the fleet: a machine with its agents' processes, on it the shipped runner and its guard, started, killed,
// stopped and started again as a supervisor would.
import type { AdapterContext } from "@reveille/runner/adapter";
import type { Started } from "@reveille/shared/runtime/main";
import { SimProcess } from "../machine/process.js";
import { createRandom } from "../machine/random.js";
import { agentAdapters } from "../runner/agent-adapter.js";
import { drawAgentPlan } from "../runner/agent-plan.js";
import type { AgentPlan } from "../runner/agent-plan.js";
import { OperatingSystem } from "../runner/operating-system.js";
import type { AgentProcess } from "../runner/operating-system.js";
import { simRunnerConfig, startSimRunner } from "../runner/sim-runner.js";
import type { Ground } from "./ground.js";
import { loggerOf } from "./ground.js";
import { commentsOf } from "./rest.js";
import { idOf } from "./scenario.js";

/** A supervisor's pause before it starts again what could not start or ended by itself. */
const restartMs = 1_000;
/** Of all attempts, so many last longer than a runner's lease. */
const lastingShare = 1 / 15;
/** What the plans of agents are drawn from, beside the seed. */
const planSalt = 0x9a7;

export class RunnerPlace {
  readonly #ground: Ground;
  readonly #place: number;
  readonly #os: OperatingSystem;
  /** Comments in the context of each attempt that was begun here. */
  readonly #comments = new Map<string, readonly unknown[]>();
  #lives = 0;
  #guards = 0;
  #ids = 0;
  #process: SimProcess | null = null;
  #guard: SimProcess | null = null;
  #started: Started | null = null;

  constructor(ground: Ground, place: number) {
    const { loop, random } = ground;
    this.#ground = ground;
    this.#place = place;
    this.#os = new OperatingSystem({
      loop,
      random,
      name: `machine-${place}`,
      hooks: {
        onStart: (process) => this.#agentStarts(process),
        onEnd: (process, how) => this.#agentEnds(process, how),
      },
    });
  }

  /** Null between two lives. */
  get process(): SimProcess | null {
    return this.#process;
  }
  /** The guard of its current life. */
  get guard(): SimProcess | null {
    return this.#guard?.state === "dead" ? null : this.#guard;
  }

  start(): void {
    const ground = this.#ground;
    const { loop, random, nats, scenario } = ground;
    this.#lives += 1;
    const process = new SimProcess(loop, `runner-${this.#place}.${this.#lives}`);
    this.#process = process;
    this.#started = null;
    const logger = loggerOf(ground, process);
    startSimRunner({
      loop,
      random,
      os: this.#os,
      process,
      newGuard: () => this.#newGuard(),
      connect: (of) => nats.connect(of, { inboxPrefix: "_INBOX_runner" }),
      logger,
      config: simRunnerConfig(process.name, {
        slots: scenario.runners[this.#place]!.slots,
        drainMs: 1_500,
      }),
      adapters: agentAdapters(["process"], (context) => this.#plan(context)),
      newId: () => idOf(scenario.seed, `runner ${this.#place} ${(this.#ids += 1)}`),
    }).then(
      (started) => {
        if (this.#process === process) this.#started = started;
      },
      (error: unknown) => {
        logger.error({ err: error }, "the runner could not start");
        if (this.#process !== process) return;
        this.kill();
        loop.schedule(restartMs, () => {
          if (this.#process === null) this.start();
        });
      },
    );
  }

  /** As kill -9 of the runner alone: its guard sees its pipe close. */
  kill(): void {
    this.#process?.kill();
    this.#process = null;
  }
  killGuard(): void {
    this.#guard?.kill();
  }
  /** As SIGTERM: drains, then ends. */
  stop(): void {
    const process = this.#process;
    const started = this.#started;
    if (!process || !started) return this.kill();
    this.#process = null;
    started.stop().then(
      () => process.kill(),
      () => process.kill(),
    );
  }

  #newGuard(): SimProcess {
    this.#guards += 1;
    this.#guard = new SimProcess(this.#ground.loop, `guard-${this.#place}.${this.#guards}`);
    return this.#guard;
  }

  /** The same for the same attempt, whoever begins it: what agents do does not change with the dice of the network. */
  #plan({ run }: AdapterContext): AgentPlan {
    const key = `${run.id}:${run.attempt}`;
    this.#comments.set(key, commentsOf(run.context));
    const dice = Number.parseInt(run.id.slice(0, 8), 16) ^ (run.attempt * planSalt);
    const random = createRandom(dice);
    const plan = drawAgentPlan(random);
    // Some outlast a lease: what is wrong about the loss of a runner shows in those alone.
    return random.chance(lastingShare) ? { ...plan, runMs: random.between(9_000, 16_000) } : plan;
  }

  #agentStarts(process: AgentProcess): void {
    const { trace, loop, witness } = this.#ground;
    const key = `${process.runId}:${process.attempt}`;
    trace.note(loop.nowMs, `machine-${this.#place}`, "starts", `${key} ${process.claimId}`);
    witness.processes.start({
      ...process,
      claimId: process.claimId ?? "none",
      comments: this.#comments.get(key) ?? [],
    });
  }
  #agentEnds(process: AgentProcess, how: string): void {
    const { trace, loop, witness } = this.#ground;
    trace.note(loop.nowMs, `machine-${this.#place}`, how, `${process.runId}:${process.attempt}`);
    witness.processes.end(process);
  }
}
