/**
 * A run without a runner: what the contract test gives an adapter, and what it saw the adapter do.
 * Processes are started as they are, in a group of their own, and are killed at the end.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type {
  Adapter,
  AdapterContext,
  AdapterSession,
  Invocation,
  Json,
  LaunchSpec,
  OutputStream,
  ProcessEnd,
  StopKind,
  TranscriptEntry,
  UsageSoFar,
} from "./adapter.js";
import { findCommand } from "./command-path.js";

export interface Trial {
  readonly context: AdapterContext;
  /** Stands for a secret: it is the run's token, and must be told to nobody. */
  readonly secret: string;
  readonly invocations: Invocation[];
  readonly warnings: string[];
  readonly reports: UsageSoFar[];
  readonly transcript: TranscriptEntry[];
  /** What the adapter itself has written, without what its processes printed. */
  readonly written: string[];
  launchCount: number;
  readonly alive: boolean;
  stop(kind: StopKind): void;
  end(): void;
}

/** The end of each stream, like a runner's. */
const tailBytesMax = 64 * 1024;
const graceMs = 1_000;

export function startTrial(
  adapter: Adapter,
  config: Json,
  session: AdapterSession | null = null,
): Trial {
  return new TrialRun(adapter, config, session);
}

class TrialRun implements Trial {
  readonly context: AdapterContext;
  readonly secret = `trial-${randomUUID()}`;
  readonly invocations: Invocation[] = [];
  readonly warnings: string[] = [];
  readonly reports: UsageSoFar[] = [];
  readonly transcript: TranscriptEntry[] = [];
  readonly written: string[] = [];
  launchCount = 0;
  readonly #folder = mkdtempSync(join(tmpdir(), "reveille-trial-"));
  readonly #stopping = new AbortController();
  readonly #tails: Record<OutputStream, Buffer> = {
    stdout: Buffer.alloc(0),
    stderr: Buffer.alloc(0),
  };
  #stop: StopKind | null = null;
  #child: ChildProcess | null = null;
  #clock: NodeJS.Timeout | null = null;

  constructor(adapter: Adapter, config: Json, session: AdapterSession | null) {
    const [companyId, id, agentId] = [randomUUID(), randomUUID(), randomUUID()];
    const place = { projectId: null, workspaceId: null, repoUrl: null, repoRef: null };
    const trial = this as TrialRun;
    this.context = {
      run: { id, attempt: 1, companyId, taskKey: "trial", issueId: null, context: { trial: true } },
      agent: { id: agentId, companyId, name: "Trial" },
      session,
      workspace: { cwd: this.#folder, source: "agent_home", ...place },
      config,
      env: { PATH: process.env["PATH"] ?? "", REVEILLE_RUN_ID: id, REVEILLE_API_KEY: this.secret },
      api: { url: "http://127.0.0.1:1", token: this.secret },
      limits: { timeoutSec: 60, idleTimeoutSec: 60, graceMs },
      get stop() {
        return trial.#stop;
      },
      signal: this.#stopping.signal,
      final: new AbortController().signal,
      log: async (stream, chunk) => {
        this.written.push(Buffer.from(chunk).toString());
        this.#keep(stream, Buffer.from(chunk));
      },
      tail: (stream, bytesMax) => this.#tails[stream].subarray(-bytesMax).toString(),
      privateFolder: () => this.#folder,
      privateFile: () => join(this.#folder, "file"),
      invoked: (invocation) => void this.invocations.push(invocation),
      warn: (message) => void this.warnings.push(message),
      transcript: (entry) => void this.transcript.push(entry),
      nowMs: () => Date.now(),
      report: (used) => void this.reports.push(used),
      restartClock: (seconds) => {
        if (this.#clock) clearTimeout(this.#clock);
        this.#clock = setTimeout(() => this.stop("timeout"), seconds * 1_000);
      },
      launch: (spec) => this.#launch(adapter, spec),
    };
  }

  get alive(): boolean {
    return this.#child !== null;
  }

  stop(kind: StopKind): void {
    this.#stop ??= kind;
    this.#stopping.abort();
    this.#signal("SIGTERM");
    setTimeout(() => this.#signal("SIGKILL"), graceMs).unref();
  }

  end(): void {
    if (this.#clock) clearTimeout(this.#clock);
    this.#signal("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #keep(stream: OutputStream, chunk: Buffer): void {
    this.#tails[stream] = Buffer.concat([this.#tails[stream], chunk]).subarray(-tailBytesMax);
  }

  #signal(signal: NodeJS.Signals): void {
    const pid = this.#child?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }

  #launch(adapter: Adapter, spec: LaunchSpec): Promise<ProcessEnd> {
    this.launchCount += 1;
    const failed = (startError: string): Promise<ProcessEnd> =>
      Promise.resolve({ exitCode: null, signal: null, startError });
    if (adapter.starts === "nothing") return failed("this adapter says that it starts nothing");
    if (this.#child) return failed("a process of this run is still alive");
    if (this.#stop) return failed("the run was ended before its process was started");
    const { command, args = [], cwd = this.#folder, env: added = {}, onOutput, input } = spec;
    const env = { ...this.context.env, ...added };
    const found = findCommand(command, cwd, env["PATH"] ?? "");
    if (!found.ok) return failed(found.reason);
    const child = spawn(found.path, [...args], {
      cwd,
      env,
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.#child = child;
    // Who does not read it may end before it is written.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input ?? "");
    const signal = (): void => this.#signal("SIGTERM");
    spec.enough?.addEventListener("abort", signal, { once: true });
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].on("data", (chunk: Buffer) => {
        this.#keep(stream, chunk);
        onOutput?.(stream, chunk);
      });
    return new Promise((resolve) => {
      const over = (end: ProcessEnd): void => {
        this.#child = null;
        resolve(end);
      };
      child.once("error", (error) =>
        over({ exitCode: null, signal: null, startError: error.message }),
      );
      child.once("close", (exitCode, signal) => over({ exitCode, signal, startError: null }));
    });
  }
}
