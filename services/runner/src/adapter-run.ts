/**
 * One attempt as its adapter sees it: the context of the contract, made of what the runner has. Owns
 * the wall clock, the event of the invocation, and that nothing an adapter has begun outlives it.
 */
import type {
  Execution,
  RunEvent,
  RunResult,
  UsageSoFar,
} from "@reveille/shared/protocol/execution";
import type { TranscriptEntry } from "@reveille/shared/protocol/transcript";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type {
  Adapter,
  AdapterContext,
  AdapterLimits,
  Invocation,
  LaunchSpec,
  ProcessEnd,
} from "./adapter.js";
import { LifelineGone } from "./containment/tree.js";
import type { Trees } from "./containment/tree.js";
import { shownValue } from "./core/environment.js";
import { boundedInvocation } from "./core/invocation.js";
import type { StartSpec } from "./core/shell-orders.js";
import { createStopLine } from "./core/stop.js";
import type { LostReason, StopLine } from "./core/stop.js";
import { warningEvent } from "./warning-event.js";
import {
  makePrivateFolder,
  privateFile,
  removePrivateFile,
  removePrivateFolder,
  writePrivateFile,
} from "./private-folders.js";
import type { Prepared } from "./prepare.js";
import { runProcess } from "./process-run.js";
import type { RunFiles } from "./run-files.js";
import type { RunLog } from "./run-log.js";

export interface AdapterRunParts {
  clock: Clock;
  files: RunFiles;
  execution: Execution;
  adapter: Adapter;
  prepared: Prepared;
  limits: AdapterLimits;
  log: RunLog;
  line: StopLine;
  apiUrl: string;
  workDir: string;
  trees: Trees;
  /** A process is about to be started, with or without a spare. */
  onStart: (spare: boolean) => void;
  lostBy: () => LostReason | null;
  tell: (event: RunEvent) => void;
  used: (soFar: UsageSoFar) => void;
  transcript: (entry: TranscriptEntry) => void;
  logger: Logger;
}

/** After a stop and its grace, an adapter that still has not answered is left behind after this. */
const abandonMs = 2_000;
/** What a timer can hold (2^31 ms), a little less. */
const clockSecMax = 2_147_000;

/** Runs the adapter to its end, within the limits. @throws what the adapter throws. */
export async function runAdapter(parts: AdapterRunParts): Promise<RunResult> {
  const { adapter, limits, line, tell } = parts;
  const wallClock = startWallClock(parts.clock, limits.timeoutSec, line);
  const launches = new Launches(parts);
  line.listen((stop) => {
    if (stop.kind === "idle")
      tell(warningEvent(`no output for ${stop.sec}s: the run is ended`, parts.clock.wallMs()));
  });
  const abandoned = whenAbandoned(parts, launches);
  try {
    const result = await Promise.race([
      adapter.execute(contextOf(parts, launches, wallClock)),
      abandoned.happens,
    ]);
    if (await launches.settle())
      tell(
        warningEvent(
          `the adapter ${adapter.type} ended before its process, which was killed`,
          parts.clock.wallMs(),
        ),
      );
    return completed(result, launches.soFar);
  } finally {
    wallClock.stop();
    abandoned.over();
    await launches.settle();
    launches.close();
  }
}

/** An adapter's answer with what it left out; what it had reported on the way is not lost. */
const completed = (result: Partial<RunResult>, soFar: UsageSoFar): RunResult => ({
  exitCode: result.errorMessage ? null : 0,
  signal: null,
  timedOut: false,
  ...soFar,
  ...result,
});

interface WallClock {
  restart(seconds: number): void;
  stop(): void;
}
function startWallClock(clock: Clock, seconds: number, line: StopLine): WallClock {
  const after = (sec: number): Timer =>
    clock.after(sec * 1_000, () => line.ask({ kind: "timeout", sec }));
  let timer = after(seconds);
  return {
    restart: (sec) => {
      timer.cancel();
      timer = after(Math.min(Math.max(sec, 0.001), clockSecMax));
    },
    stop: () => timer.cancel(),
  };
}

/**
 * An adapter that does not heed its signal would hold the slot for ever. With a process of its own alive
 * it is waited for all the same: that one is being killed, and "finished" must not be said before.
 */
function whenAbandoned({ clock, line, limits }: AdapterRunParts, launches: Launches) {
  const { graceMs } = limits;
  let timer: Timer | null = null;
  let over = false;
  const happens = new Promise<Partial<RunResult>>((resolve) => {
    const look = (): void => {
      if (launches.live) timer = clock.after(abandonMs, look);
      else resolve({ errorMessage: "The adapter did not end when it was told to" });
    };
    line.listen((stop) => {
      if (over) return;
      timer ??= clock.after((stop.kind === "lost" ? 0 : graceMs) + abandonMs, look);
    });
  });
  return {
    happens,
    over: () => {
      over = true;
      timer?.cancel();
    },
  };
}

function contextOf(
  parts: AdapterRunParts,
  launches: Launches,
  wallClock: WallClock,
): AdapterContext {
  const { execution, prepared, limits, log, line, apiUrl, tell } = parts;
  const { companyId, agentId, agentName, runId, attempt, taskKey, issueId, session } = execution;
  let passed: Promise<void> = Promise.resolve();
  let pass: (() => void) | null = null;
  log.onPressure((pressed) => {
    if (pressed) passed = new Promise((resolve) => (pass = resolve));
    else pass?.();
  });
  return {
    run: { id: runId, attempt, companyId, taskKey, issueId, context: prepared.context },
    agent: { id: agentId, companyId, name: agentName },
    session,
    workspace: prepared.workspace,
    config: prepared.config,
    env: prepared.environment.all,
    api: { url: apiUrl, token: prepared.token },
    limits,
    get stop() {
      return line.stop?.kind ?? null;
    },
    get signal() {
      return line.signal;
    },
    get final() {
      return line.final;
    },
    log: (stream, chunk) => {
      log.write(stream, Buffer.from(chunk));
      return passed;
    },
    tail: (stream, bytesMax) => log.tail(stream, bytesMax),
    privateFolder: () => launches.privateFolder(),
    privateFile: () => launches.privateFile(),
    invoked: (invocation) => launches.invoked(invocation),
    warn: (message) => tell(warningEvent(message, parts.clock.wallMs())),
    transcript: (entry) => parts.transcript(entry),
    nowMs: () => parts.clock.wallMs(),
    report: (used) => launches.report(used),
    restartClock: (seconds) => wallClock.restart(seconds),
    launch: (spec) => launches.launch(spec),
  };
}

const notStarted = (startError: string): ProcessEnd => ({
  exitCode: null,
  signal: null,
  startError,
});

/** What an attempt does in its course: processes (one at a time, each in its tree), invocation, usage, folder. */
class Launches {
  /** The usage as it was last reported. */
  soFar: UsageSoFar = {};
  readonly #parts: AdapterRunParts;
  #told = false;
  #folder: string | null = null;
  #file: string | null = null;
  readonly #inputs: string[] = [];
  #current: { end: Promise<ProcessEnd>; line: StopLine } | null = null;

  constructor(parts: AdapterRunParts) {
    this.#parts = parts;
  }

  get live(): boolean {
    return this.#current !== null;
  }

  invoked(invocation: Invocation): void {
    if (this.#told) return;
    this.#told = true;
    const { clock, adapter, tell } = this.#parts;
    tell({
      eventType: "adapter.invoke",
      stream: "system",
      level: "info",
      message: "adapter invocation",
      payload: boundedInvocation({ adapterType: adapter.type, ...invocation }),
      at: new Date(clock.wallMs()).toISOString(),
    });
  }

  privateFolder(): string {
    const { workDir, execution } = this.#parts;
    return (this.#folder ??= makePrivateFolder(workDir, execution.runId, execution.attempt));
  }

  privateFile(): string {
    const { workDir, execution } = this.#parts;
    return (this.#file ??= privateFile(workDir, execution.runId, execution.attempt));
  }

  close(): void {
    if (this.#file) void removePrivateFile(this.#file, this.#parts.logger);
    for (const path of this.#inputs) void removePrivateFile(path, this.#parts.logger);
    if (this.#folder) void removePrivateFolder(this.#folder, this.#parts.logger);
    this.#folder = null;
  }

  report(used: UsageSoFar): void {
    this.soFar = { ...this.soFar, ...used };
    this.#parts.used(this.soFar);
  }

  async launch(spec: LaunchSpec): Promise<ProcessEnd> {
    const { adapter, prepared, line, files } = this.#parts;
    if (adapter.starts === "nothing")
      return notStarted(`The adapter ${adapter.type} says that it starts nothing`);
    if (this.#current) return notStarted("A process of this run is still alive");
    const { command, args = [], cwd = prepared.workspace.cwd, env = {}, enough } = spec;
    const shown: Record<string, string> = { ...prepared.environment.shown };
    for (const [name, value] of Object.entries(env)) shown[name] = shownValue(name, value);
    this.invoked({ command, commandArgs: args, cwd, env: shown });
    if (line.stop) return notStarted("The run was ended before its process was started");
    const all = { ...prepared.environment.all, ...env };
    const found = files.findCommand(command, cwd, all["PATH"] ?? "");
    if (!found.ok) return notStarted(found.reason);
    // A line of its own: what is left behind is killed without a word to the rest.
    const own = createStopLine();
    line.listen((stop) => own.ask(stop));
    const stdin = spec.input === undefined ? {} : { inputPath: this.#input(spec.input) };
    const end = this.#start(found.path, { args, cwd, env: all, ...stdin }, spec.onOutput, own);
    this.#current = { end, line: own };
    const seenEnough = (): void => own.ask({ kind: "cancel" });
    if (enough?.aborted) seenEnough();
    else enough?.addEventListener("abort", seenEnough, { once: true });
    try {
      return await end;
    } finally {
      this.#current = null;
      enough?.removeEventListener("abort", seenEnough);
    }
  }

  #input(text: string): string {
    const { workDir, execution } = this.#parts;
    const path = writePrivateFile(workDir, execution.runId, execution.attempt, text);
    this.#inputs.push(path);
    return path;
  }

  /** Kills what still lives. True when something did. */
  async settle(): Promise<boolean> {
    const current = this.#current;
    if (!current) return false;
    current.line.ask({ kind: "lost", reason: "drained" });
    await current.end;
    return true;
  }

  async #start(
    path: string,
    spec: Omit<StartSpec, "path">,
    onOutput: LaunchSpec["onOutput"],
    line: StopLine,
  ): Promise<ProcessEnd> {
    const { clock, execution, limits, log, trees, onStart, lostBy, logger } = this.#parts;
    const { graceMs, idleTimeoutSec } = limits;
    const onIdle = (): void => this.#parts.line.ask({ kind: "idle", sec: idleTimeoutSec });
    const start = { path, ...spec, graceMs, idleTimeoutSec, onIdle };
    try {
      const tree = trees.open(execution.runId, execution.attempt, start);
      onStart(tree.spare);
      const process = onOutput ? { ...start, onOutput } : start;
      return await runProcess(tree, process, log, line, clock, logger);
    } catch (error) {
      if (!(error instanceof LifelineGone)) throw error;
      // Whoever cut it will say why; if it was nobody we know, the guard cannot be alive.
      this.#parts.line.ask({ kind: "lost", reason: lostBy() ?? "guard_gone" });
      return notStarted("the runner's lifeline was cut");
    }
  }
}
