/**
 * The contract of an adapter: what a package has to export so that a runner can execute agents with it,
 * and what it is given. The runner's own adapters keep to it as well. Knows nothing of how a runner
 * works inside; docs/adapters.md explains it for authors.
 */
import type { EnvironmentCheck } from "@reveille/shared/protocol/probe";
import type { RunResult, UsageSoFar } from "@reveille/shared/protocol/execution";
import type { TranscriptEntry } from "@reveille/shared/protocol/transcript";
import type { z } from "zod";

export type { EnvironmentCheck, RunResult, TranscriptEntry, UsageSoFar };
export type Json = Record<string, unknown>;
export type OutputStream = "stdout" | "stderr";

/** What one run is about. */
export interface AdapterRun {
  readonly id: string;
  /** 1 for the first try; a lost attempt is repeated in the same run. */
  readonly attempt: number;
  readonly companyId: string;
  readonly taskKey: string | null;
  readonly issueId: string | null;
  /** The wake's context, with what the runner has added (workspace, project). */
  readonly context: Readonly<Json>;
}
export interface AdapterAgent {
  readonly id: string;
  readonly companyId: string;
  readonly name: string;
}
/** What the last run of the same task (or, without a task, of the agent) has left. */
export interface AdapterSession {
  readonly id: string | null;
  readonly params: Readonly<Json> | null;
  readonly displayId: string | null;
}
export interface AdapterWorkspace {
  /** Absolute; exists. */
  readonly cwd: string;
  readonly source: string;
  readonly projectId: string | null;
  readonly workspaceId: string | null;
  readonly repoUrl: string | null;
  readonly repoRef: string | null;
}
/** Read from the configuration of every adapter; absent ones have the runner's defaults. */
export interface AdapterLimits {
  /** Wall clock, more than 0. */
  readonly timeoutSec: number;
  /** Silence of a process on both streams, more than 0. */
  readonly idleTimeoutSec: number;
  /** Between SIGTERM and SIGKILL; at least 1,000. */
  readonly graceMs: number;
}
/** Why the run is to end now. `lost`: it may already belong to another runner; its result is not reported. */
export type StopKind = "cancel" | "timeout" | "idle" | "lost";

export interface LaunchSpec {
  /** A name to be found in PATH, or a path; never a shell's line. */
  command: string;
  args?: readonly string[];
  /** Absolute. Default: the workspace's. */
  cwd?: string;
  /** Added to the run's environment, and stronger. */
  env?: Readonly<Record<string, string>>;
  /** Its standard input, whole; absent: there is none. */
  input?: string;
  /** Aborted when the adapter has seen enough: the process is ended as by a stop, and the run goes on. */
  enough?: AbortSignal;
  /** Sees each piece of output, after the log. */
  onOutput?: (stream: OutputStream, chunk: Buffer) => void;
}
export interface ProcessEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** It never came to life: why, complete and for people. */
  readonly startError: string | null;
}
/** What the event "adapter invocation" shows; secrets must be left out by the adapter that names them. */
export interface Invocation {
  command: string;
  commandArgs?: readonly string[];
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  headers?: Readonly<Record<string, string>>;
}

/** One attempt, as its adapter sees it. Its functions need no `this`. */
export interface AdapterContext {
  readonly run: AdapterRun;
  readonly agent: AdapterAgent;
  readonly session: AdapterSession | null;
  readonly workspace: AdapterWorkspace;
  /** The agent's configuration, secrets resolved: never into logs, events or errors. */
  readonly config: Readonly<Json>;
  /** What a process of this run gets, secrets included. */
  readonly env: Readonly<Record<string, string>>;
  /** The API as the agent reaches it. `token`: the run's own, null when none was issued. */
  readonly api: { readonly url: string; readonly token: string | null };
  readonly limits: AdapterLimits;
  /** Why the run is to end now; null while it may go on. */
  readonly stop: StopKind | null;
  /** Aborted as soon as there is a `stop`. Whoever does not heed it is left behind after the grace. */
  readonly signal: AbortSignal;
  /** Aborted when the run's final word was reported to the API: who waits for it may end now. */
  readonly final: AbortSignal;
  /** Bytes for the run's log. Waiting for the promise keeps memory bounded when storing is slow. */
  readonly log: (stream: OutputStream, chunk: Uint8Array | string) => Promise<void>;
  /** The end of what went into the log, at most `bytesMax` bytes (and 64 KiB). */
  readonly tail: (stream: OutputStream, bytesMax: number) => string;
  /** A folder of this attempt alone, absolute; made by the first call, removed with all in it at the end. */
  readonly privateFolder: () => string;
  /** The name of a file of this attempt alone, absolute; not there yet, removed at the end. Cheaper than a folder. */
  readonly privateFile: () => string;
  /** Tells the event "adapter invocation", once; `launch` does it where nobody has. */
  readonly invoked: (invocation: Invocation) => void;
  /** An event of level `warn`: at most 1,000 characters of it are kept. */
  readonly warn: (message: string) => void;
  /**
   * What the agent does, in the common vocabulary (`shared/src/protocol/transcript.ts`): told to whoever
   * listens now, kept nowhere. Too long texts are cut; what is no entry is left out with a warning.
   */
  readonly transcript: (entry: TranscriptEntry) => void;
  /** The wall clock, Unix ms. */
  readonly nowMs: () => number;
  /** What this attempt has used so far, in total. Sent at most once a second. */
  readonly report: (used: UsageSoFar) => void;
  /** The wall clock starts again and ends the run after so many seconds (more than 0). */
  readonly restartClock: (seconds: number) => void;
  /**
   * Starts a process in the run's tree; resolves when the whole tree is dead. Obeys stop and limits by
   * itself. One at a time. What cannot start is a `startError`, never an exception.
   */
  readonly launch: (spec: LaunchSpec) => Promise<ProcessEnd>;
}

/** What an adapter answers. Absent fields: `exitCode` 0 (null with an `errorMessage`), no signal, not timed out. */
export type AdapterResult = Partial<RunResult>;

/** For a question without a run: would this configuration work here? */
export interface TestContext {
  readonly companyId: string;
  readonly config: Readonly<Json>;
  /** The environment that a process would inherit, without the agent's own variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Aborted when the answer is due. */
  readonly signal: AbortSignal;
}

export interface Adapter {
  /** `adapterType` of its agents: lower-case letters, digits, `_` and `-`, at most 64. */
  readonly type: string;
  readonly label: string;
  /** What it starts: with `nothing` there is no process tree, and `launch` is refused. */
  readonly starts: "processes" | "nothing";
  /** From SIGTERM to SIGKILL where the configuration does not say; default 15. */
  readonly graceSec?: number;
  /** A zod schema (checked before each run), a JSON Schema (shown only), or null: any configuration. */
  readonly configSchema: z.ZodType | Readonly<Json> | null;
  readonly models?: readonly { readonly id: string; readonly label: string }[];
  /** Markdown for agents and people who configure it. */
  readonly configurationDoc?: string;
  /** Answers within 8 s; must change nothing. */
  test?(context: TestContext): Promise<readonly EnvironmentCheck[]>;
  /** Does it. A failure of the work is a result with `errorMessage`; what it throws becomes one. */
  execute(context: AdapterContext): Promise<AdapterResult>;
}

/** Gives an adapter its type; authors export the answer as `default`. */
export const defineAdapter = (adapter: Adapter): Adapter => adapter;
