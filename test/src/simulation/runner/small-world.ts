// Owns what the tests of simulated runners share: one simulated NATS, an actor that only answers, machines with runners, and a book of
// which agent processes live. Knows no decision: what the real actor does with a report is the world's business.
import type { RunnerConfig } from "@reveille/runner/config";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import type {
  Answer,
  Control,
  Execution,
  RunFinished,
  RunLost,
  RunStarted,
} from "@reveille/shared/protocol/execution";
import { deriveId } from "@reveille/shared/protocol/ids";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { defaultSizes, topologyNames } from "@reveille/shared/protocol/topology";
import type { Started } from "@reveille/shared/runtime/main";
import { Loop } from "../machine/loop.js";
import { SimProcess } from "../machine/process.js";
import { createRandom } from "../machine/random.js";
import type { Random } from "../machine/random.js";
import { createSimNats } from "../nats/sim-nats.js";
import type { SimConnection, SimNats } from "../nats/sim-nats.js";
import { quietLogger } from "../world/quiet-logger.js";
import { agentAdapters } from "./agent-adapter.js";
import type { AgentPlan } from "./agent-plan.js";
import { OperatingSystem } from "./operating-system.js";
import type { AgentProcess } from "./operating-system.js";
import { simRunnerConfig, startSimRunner } from "./sim-runner.js";

export const subjects = createSubjects("rv");
const names = topologyNames("rv");
/** The guard's deadline is 4 s then. */
const shortLeaseMs = 6_000;

export interface Heard {
  kind: "started" | "progress" | "finished" | "lost";
  report: RunStarted & RunFinished & RunLost;
  atMs: number;
}
export interface SimMachine {
  os: OperatingSystem;
  runner: SimProcess;
  /** Of its latest life. */
  guard: SimProcess | null;
  started: Started | null;
  failed: Error | null;
}

export class SmallWorld {
  readonly loop = new Loop();
  readonly random: Random;
  readonly nats: SimNats;
  readonly heard: Heard[] = [];
  /** Everything that happened to agents and reports, one line each: two runs of a seed have the same. */
  readonly lines: string[] = [];
  readonly live = new Set<AgentProcess>();
  readonly starts: AgentProcess[] = [];
  /** What is not to be. */
  readonly wrongs: string[] = [];
  /** What the next claims get; null: no answer. */
  answer: (heard: Heard) => Answer["answer"] | null = ({ kind }) =>
    kind === "started" ? "go" : "committed";
  planOf: (runId: string, attempt: number) => AgentPlan = () => plan({});
  readonly #actor: SimConnection;
  readonly #goes = new Set<string>();
  readonly #leaseTtlMs: number;
  #ids = 0;

  constructor(seed: number, leaseTtlMs = shortLeaseMs) {
    this.#leaseTtlMs = leaseTtlMs;
    this.random = createRandom(seed);
    this.nats = createSimNats({ loop: this.loop, random: this.random });
    const actor = new SimProcess(this.loop, "actor");
    this.#actor = this.nats.connect(actor);
    // Time passes also when nothing else happens.
    actor.clock.every(1_000, () => undefined);
  }

  async begin(): Promise<void> {
    const { streams, bus } = this.#actor;
    bus.subscribe("rv.*.agent.*.run.>", ({ subject, data }) => this.#hear(subject, data));
    let made = false;
    const sizes = { ...defaultSizes, runnerLeaseTtlMs: this.#leaseTtlMs };
    void streams.ensureTopology(subjects, 1, 4, sizes).then(() => (made = true));
    await this.until("the topology", () => made);
  }

  newId(): string {
    return deriveId("small world", String(this.#ids++));
  }

  /** `beside`: on the same machine as another runner. */
  machine(name: string, beside?: SimMachine): SimMachine {
    const runner = new SimProcess(this.loop, `${name} runner`);
    const none = { runner, guard: null, started: null, failed: null };
    if (beside) return { ...none, os: beside.os };
    const os = new OperatingSystem({
      loop: this.loop,
      random: this.random,
      name,
      hooks: {
        onStart: (process) => this.#onStart(process),
        onEnd: (process, how) => {
          this.live.delete(process);
          this.#note(`${how} ${process.runId} ${process.attempt}`);
        },
      },
    });
    return { ...none, os };
  }

  /** Starts a runner on a machine, anew when it had one. */
  start(machine: SimMachine, config: Partial<RunnerConfig> = {}): void {
    const { os } = machine;
    const process = new SimProcess(this.loop, "runner");
    machine.runner = process;
    machine.started = machine.failed = null;
    startSimRunner({
      loop: this.loop,
      random: this.random,
      os,
      process,
      newGuard: () => (machine.guard = new SimProcess(this.loop, "guard")),
      connect: (of) => this.nats.connect(of),
      config: simRunnerConfig("simulated", config),
      adapters: agentAdapters(["process"], ({ run }) => this.planOf(run.id, run.attempt)),
      newId: () => this.newId(),
      logger: quietLogger((text) => this.#note(`says ${text}`)),
    }).then(
      (started) => (machine.started = started),
      (error: Error) => {
        process.kill();
        machine.failed = error;
      },
    );
  }
  async startAndWait(machine: SimMachine, config: Partial<RunnerConfig> = {}): Promise<void> {
    this.start(machine, config);
    await this.until("the runner", () => machine.started !== null);
  }

  /** Into the queue, under a new run, or as another attempt of one. */
  enqueue(runId = this.newId(), attempt = 1, more: Partial<Execution> = {}): Execution {
    const execution: Execution = {
      companyId: deriveId("company"),
      agentId: deriveId("agent"),
      agentName: "A",
      runId,
      attempt,
      adapterType: "process",
      adapterConfig: {},
      context: {},
      taskKey: null,
      issueId: null,
      session: null,
      ...more,
    };
    const subject = subjects.execution("default", execution.companyId, runId, attempt);
    this.nats.faults.inject({ subject, data: encodePayload(execution) });
    return execution;
  }
  control(kind: Control["kind"], { companyId, runId, attempt }: Execution, claimId: string): void {
    const control: Control = { kind, runId, attempt, claimId, reason: "test" };
    this.nats.faults.inject({
      subject: subjects.control(companyId, runId),
      data: encodePayload(control),
    });
  }

  reports(kind: Heard["kind"], runId?: string): Heard[] {
    return this.heard.filter(
      (one) => one.kind === kind && (runId === undefined || one.report.runId === runId),
    );
  }
  /** How many messages the queue holds. */
  get queued(): number {
    return this.nats.jetstream.peek(names.exec)?.messages.length ?? 0;
  }
  /** Incarnations whose leases last. */
  get leases(): string[] {
    return this.nats.jetstream
      .stream(`KV_${names.runnerLeases}`)
      .messages.filter(({ headers }) => !headers?.["KV-Operation"])
      .map(({ subject }) => subject.split(".").at(-1)!);
  }

  async until(what: string, done: () => boolean, limitMs = 60_000): Promise<void> {
    const ended = await this.loop.run(limitMs, { done });
    if (ended !== "done")
      throw new Error(`not within ${limitMs} ms: ${what}\n${this.lines.slice(-30).join("\n")}`);
  }
  async pass(ms: number): Promise<void> {
    await this.loop.run(ms);
  }

  #onStart(process: AgentProcess): void {
    const key = `${process.runId}:${process.attempt}`;
    const must = (condition: boolean, what: string): void => {
      if (!condition) this.wrongs.push(`${what}: ${key}`);
    };
    must(process.claimId !== null && this.#goes.has(process.claimId), "started without a go");
    must(!this.starts.some((one) => keyOf(one) === key), "started twice");
    must(![...this.live].some(({ runId }) => runId === process.runId), "two live attempts");
    this.live.add(process);
    this.starts.push(process);
    this.#note(`start ${process.runId} ${process.attempt}`);
  }

  #hear(subject: string, data: Uint8Array): void {
    const kind = subject.split(".").at(-1) as Heard["kind"];
    const report = decodeTrusted(data) as Heard["report"];
    const { runId, attempt, claimId, incarnation } = report;
    const heard = { kind, report, atMs: this.loop.nowMs };
    this.heard.push(heard);
    this.#note(`${kind} ${runId} ${attempt} ${claimId}`);
    if (kind === "finished" || kind === "lost")
      for (const one of this.live)
        if (one.claimId === claimId) this.wrongs.push(`${kind} said of what lives: ${keyOf(one)}`);
    const answer = this.answer(heard);
    if (answer === null) return;
    if (answer === "go") this.#goes.add(claimId);
    const said: Answer = { answer, report: kind, runId, attempt, claimId };
    this.#actor.bus.publish(subjects.answer(incarnation), encodePayload(said));
  }

  #note(what: string): void {
    this.lines.push(`${this.loop.nowMs.toFixed(3)} ${what}`);
  }
}

const keyOf = ({ runId, attempt }: AgentProcess): string => `${runId}:${attempt}`;

/** A well-behaved agent of 200 ms, with what a test wants otherwise. */
export const plan = (wanted: Partial<AgentPlan>): AgentPlan => ({
  runMs: 200,
  exitCode: 0,
  output: [{ atMs: 10, stream: "stdout", text: "hello\n" }],
  backgroundMs: null,
  heedsTerm: true,
  costUsd: null,
  ...wanted,
});

/** A world with its topology and one machine, whose runner takes work. */
export async function oneRunner(
  seed = 1,
  config: Partial<RunnerConfig> = {},
  leaseTtlMs = shortLeaseMs,
): Promise<{ world: SmallWorld; machine: SimMachine }> {
  const world = new SmallWorld(seed, leaseTtlMs);
  await world.begin();
  const machine = world.machine("first");
  await world.startAndWait(machine, config);
  return { world, machine };
}
