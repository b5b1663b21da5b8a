// Owns what the runner's tests share: a real nats-server with the real topology, an actor that only answers, and runner processes.
// Knows no decision: what the real actor does with a report is tested elsewhere.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { ensureTopology } from "@reveille/shared/nats/topology-keeper";
import { decodeTrusted, encodePayload } from "@reveille/shared/protocol/codec";
import type {
  Answer,
  Control,
  Execution,
  RunFinished,
  RunLost,
  RunProgress,
  RunStarted,
} from "@reveille/shared/protocol/execution";
import { headers } from "@reveille/shared/protocol/headers";
import { newId } from "@reveille/shared/protocol/ids";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { defaultSizes } from "@reveille/shared/protocol/topology";
import { startTestNats } from "../harness/nats.js";
import type { TestNats } from "../harness/nats.js";

const main = fileURLToPath(new URL("../../../services/runner/dist/main.js", import.meta.url));
export const subjects = createSubjects();

export interface Reported {
  kind: "started" | "progress" | "finished" | "lost";
  agentId: string;
  report: RunStarted & RunProgress & RunFinished & RunLost;
}

/** Answers `go` and `committed` unless told otherwise, and keeps what it heard. */
export interface FakeActor {
  readonly heard: Reported[];
  /** What the next claims get; null: no answer. */
  answer: (heard: Reported) => Answer["answer"] | null;
  /** Comes with each go. */
  token: string | null;
  /** The first report of that kind about the run. */
  until(kind: Reported["kind"], runId: string, timeoutMs?: number): Promise<Reported["report"]>;
  cancel(run: Execution, claimId: string): void;
  /** Says that the run's final word was reported. */
  finish(run: Execution, claimId: string): void;
}

export interface Rig {
  readonly nats: TestNats;
  readonly bus: NatsBus;
  readonly actor: FakeActor;
  /** Puts an execution into the queue. */
  enqueue(
    adapterConfig: Record<string, unknown>,
    more?: Partial<Execution>,
    pool?: string,
  ): Promise<Execution>;
  /** `cwd`: where it is started. */
  runner(env?: Record<string, string>, args?: string[], cwd?: string): Promise<RunnerProcess>;
  stop(): Promise<void>;
}
export interface RunnerProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly workDir: string;
  /** Log lines so far. */
  readonly lines: string[];
  guardPid(): number;
  exited: Promise<number | string | null>;
}

/** Polls until `look` answers something; the diagnostic says what was waited for. */
export async function eventually<T>(
  what: string | (() => string),
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
  timeoutMs = 10_000,
): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (performance.now() > giveUpAt) {
      const waitedFor = typeof what === "string" ? what : what();
      throw new Error(`not within ${timeoutMs} ms: ${waitedFor}`);
    }
    await new Promise<void>((resume) => setTimeout(resume, 10));
  }
}

export function isAlive(pid: number): boolean {
  try {
    // A zombie answers signals; its state tells.
    return !/^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch {
    return false;
  }
}

/** Pids that a test process wrote into a witness file, one a line. */
export const witnesses = (file: string): number[] =>
  existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number) : [];

/** `leaseTtlMs`: the guard's deadline is at most two thirds of it. */
export async function startRig(scratch: string, leaseTtlMs = 6_000): Promise<Rig> {
  const nats = await startTestNats();
  const bus = await connectBus({ url: nats.serviceUrl, name: "rig", inboxPrefix: "_INBOX_rig" });
  await ensureTopology(bus, subjects, 1, 4, { ...defaultSizes, runnerLeaseTtlMs: leaseTtlMs });
  const runners: RunnerProcess[] = [];
  return {
    nats,
    bus,
    actor: fakeActor(bus),
    enqueue: async (adapterConfig, more = {}, pool = "default") => {
      const execution: Execution = {
        companyId: newId(),
        agentId: newId(),
        agentName: "A",
        runId: newId(),
        attempt: 1,
        adapterType: "process",
        adapterConfig,
        context: {},
        taskKey: null,
        issueId: null,
        session: null,
        ...more,
      };
      const { companyId, runId, attempt } = execution;
      const subject = subjects.execution(pool, companyId, runId, attempt);
      await bus.js.publish(subject, encodePayload(execution));
      return execution;
    },
    runner: async (env = {}, args = [], cwd) => {
      const runner = await startRunnerProcess(natsOf(nats, env), scratch, env, args, cwd);
      runners.push(runner);
      return runner;
    },
    stop: async () => {
      for (const { child } of runners)
        if (child.exitCode === null && child.signalCode === null) {
          child.kill("SIGCONT");
          child.kill("SIGKILL");
        }
      await bus.close();
      // Guards end by themselves once their runner is gone; NATS must be there for it.
      await eventually("guards end", () => !runners.flatMap(guardsOf).some(isAlive), 15_000);
      await nats.stop();
    },
  };
}

const natsOf = (nats: TestNats, env: Record<string, string>): string =>
  nats.urlOf(`runner-${env["REVEILLE_RUNNER_POOL"] ?? "default"}`);

/** Every guard that a runner has started, by its log. */
const guardsOf = ({ lines }: { lines: string[] }): number[] =>
  lines
    .filter((line) => line.includes('"guard started"'))
    .map((line) => (JSON.parse(line) as { guardPid: number }).guardPid);

async function startRunnerProcess(
  natsUrl: string,
  workDir: string,
  env: Record<string, string>,
  args: string[],
  cwd?: string,
): Promise<RunnerProcess> {
  const child = spawn(process.execPath, [main, ...args], {
    ...(cwd ? { cwd } : {}),
    env: {
      PATH: process.env["PATH"],
      HOME: process.env["HOME"],
      NATS_URL: natsUrl,
      REVEILLE_RUNNER_WORK_DIR: workDir,
      REVEILLE_RUNNER_SLOTS: "4",
      REVEILLE_RUNNER_DRAIN_MS: "2000",
      REVEILLE_RUNNER_ID: "test-runner",
      REVEILLE_LOG_LEVEL: "debug",
      RUNNER_SECRET: "must-not-be-seen",
      ...env,
    },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const lines: string[] = [];
  for (const pipe of [child.stdout, child.stderr])
    pipe
      ?.setEncoding("utf8")
      .on("data", (text: string) => lines.push(...text.split("\n").filter(Boolean)));
  const exited = new Promise<number | string | null>((resolve) => {
    child.once("exit", (code, signal) => resolve(signal ?? code));
  });
  await Promise.race([
    new Promise<void>((resolve) => {
      child.once("message", () => resolve());
    }),
    exited.then((code) => {
      throw new Error(`runner ended with ${code}:\n${lines.join("\n")}`);
    }),
  ]);
  return {
    child,
    pid: child.pid!,
    workDir,
    lines,
    exited,
    guardPid: () => {
      const newest = guardsOf({ lines }).at(-1);
      if (newest === undefined) throw new Error(`no guard was started:\n${lines.join("\n")}`);
      return newest;
    },
  };
}

function fakeActor(bus: NatsBus): FakeActor {
  const control = (kind: Control["kind"], run: Execution, claimId: string, reason: string) => {
    const { companyId, runId, attempt } = run;
    const message: Control = { kind, runId, attempt, claimId, reason };
    bus.publish(subjects.control(companyId, runId), encodePayload(message));
  };
  const actor: FakeActor = {
    heard: [],
    token: null,
    answer: ({ kind }) => (kind === "started" ? "go" : "committed"),
    until: (kind, runId, timeoutMs = 15_000) =>
      eventually(
        () => {
          const ofRun = actor.heard.filter((one) => one.report.runId === runId);
          return `run.${kind} of ${runId}; heard of it: ${ofRun.map((one) => one.kind).join(", ")}`;
        },
        () => actor.heard.find((one) => one.kind === kind && one.report.runId === runId)?.report,
        timeoutMs,
      ),
    cancel: (run, claimId) => control("cancel", run, claimId, "Cancelled by control plane"),
    finish: (run, claimId) => control("finish", run, claimId, "the final word was reported"),
  };
  bus.subscribe(`${subjects.prefix}.*.agent.*.run.*`, (message) => {
    const kind = message.subject.split(".").at(-1) as Reported["kind"];
    const report = decodeTrusted(message.data) as Reported["report"];
    const heard: Reported = { kind, agentId: message.subject.split(".")[3]!, report };
    actor.heard.push(heard);
    const answer = actor.answer(heard);
    if (answer === null) return;
    const { runId, attempt, claimId, incarnation } = report;
    bus.publish(
      subjects.answer(incarnation),
      encodePayload({
        answer,
        report: kind,
        runId,
        attempt,
        claimId,
        ...(answer === "go" && actor.token !== null ? { token: actor.token } : {}),
      } satisfies Answer),
    );
  });
  return actor;
}

export interface FollowedLog {
  /** All bytes, in the order of their numbers. */
  bytes(): Buffer;
  sha256(): string;
  end: string | undefined;
  /** True when numbers go 0..n without gap or repeat. */
  complete(): boolean;
}

/** Follows a run's log live, as any subscriber may. */
export function followLog(bus: NatsBus, run: { companyId: string; runId: string }): FollowedLog {
  const chunks = new Map<number, Uint8Array>();
  const log: FollowedLog = {
    bytes: () => Buffer.concat([...chunks].sort(([a], [b]) => a - b).map(([, chunk]) => chunk)),
    sha256: () => createHash("sha256").update(log.bytes()).digest("hex"),
    end: undefined,
    complete: () => [...chunks.keys()].sort((a, b) => a - b).every((seq, at) => seq === at),
  };
  bus.subscribe(subjects.runLog(run.companyId, run.runId), (message) => {
    chunks.set(Number(message.header(headers.logSequence)), message.data);
    log.end ??= message.header(headers.logEnd);
  });
  return log;
}
