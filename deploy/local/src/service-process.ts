// Owns one supervised service process: starting it, noticing that it is ready or dead, starting it again with a growing pause.
// Knows nothing about what services do; "ready" is a message that they send over IPC.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync } from "node:fs";
import { end, hasExited } from "./child-exit.js";
import type { ServiceName } from "./endpoints.js";
import { openLog, tailOf } from "./log-file.js";
import { signal } from "./process-identity.js";

export interface ServiceProcessOptions {
  readonly name: ServiceName;
  /** 0, 1, ...: which one of its name. */
  readonly index: number;
  /** The JavaScript file to run. */
  readonly entry: string;
  readonly env: NodeJS.ProcessEnv;
  readonly logFile: string;
  /** Start it again when it dies without being asked to. */
  readonly restart: boolean;
  /** After each start of a process (the pid is new). */
  readonly onStarted: (pid: number) => void;
  /** After a process got ready or died: what is published about it has changed. */
  readonly onChanged: () => void;
  readonly say: (line: string) => void;
}

/** What a service tells when it is up. A gateway says where it listens. */
export interface ReadyMessage {
  readonly type: "ready";
  readonly http?: string;
}

export interface ServiceProcess {
  readonly name: ServiceName;
  readonly index: number;
  readonly logFile: string;
  /** Of the process that runs now; undefined while none does. */
  readonly pid: number | undefined;
  /** The last ready message; undefined before the first. */
  readonly ready: ReadyMessage | undefined;
  /** False when the process does not run, or when there is none any more. */
  kill(name: NodeJS.Signals): boolean;
  /** SIGTERM, SIGKILL after `waitMs`; no restart afterwards. Idempotent. */
  stop(waitMs: number): Promise<void>;
}

/**
 * An actor host makes and forgets many small values in each batch: with a larger young generation few of them are
 * copied before they die (10 % of its processor time in a burst). A runner forks, and a small heap forks faster.
 */
const nodeFlags: Readonly<Record<ServiceName, readonly string[]>> = {
  gateway: [],
  "agent-actor": ["--max-semi-space-size=64"],
  runner: [],
};

/** Measured 0.3-0.5 s for Node with our imports; a loaded machine that also recovers a database needs far longer. */
const READY_TIMEOUT_MS = 60_000;
const FIRST_PAUSE_MS = 200;
/** Slow enough not to heat a machine for hours, soon enough for somebody who just mended the cause. */
const LONGEST_PAUSE_MS = 10_000;
/** A process that ran this long had a cause of its own to die: the pauses start anew. */
const STABLE_MS = 30_000;

/**
 * Starts the process and resolves when it is ready.
 * @throws Error with the end of its log when it exits first, or is not ready in 60 s; nothing is left running then.
 */
export async function startServiceProcess(options: ServiceProcessOptions): Promise<ServiceProcess> {
  const state = { stopping: false, ready: undefined as ReadyMessage | undefined };
  let child = spawnService(options);
  let pause = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;

  const watch = (current: ChildProcess): void => {
    const startedAt = performance.now();
    current.on("message", (message) => {
      if (!isReady(message)) return;
      state.ready = message;
      options.onChanged();
    });
    current.once("exit", (code, killedBy) => {
      options.onChanged();
      if (state.stopping || !state.ready) return;
      options.say(`${options.name}-${options.index} ended with ${code ?? killedBy}`);
      if (!options.restart) return;
      if (performance.now() - startedAt > STABLE_MS) pause = FIRST_PAUSE_MS;
      timer = setTimeout(() => {
        child = spawnService(options);
        watch(child);
      }, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    });
  };
  watch(child);

  const self: ServiceProcess = {
    name: options.name,
    index: options.index,
    logFile: options.logFile,
    get pid() {
      return hasExited(child) ? undefined : child.pid;
    },
    get ready() {
      return state.ready;
    },
    kill: (name) => self.pid !== undefined && signal(self.pid, name),
    stop: async (waitMs) => {
      state.stopping = true;
      clearTimeout(timer);
      await end(child, [{ signal: "SIGTERM", waitMs }]);
    },
  };
  await firstReady(child, options, self);
  return self;
}

function spawnService(options: ServiceProcessOptions): ChildProcess {
  const log = openLog(options.logFile);
  try {
    const flags = ["--enable-source-maps", ...nodeFlags[options.name]];
    const child = spawn(process.execPath, [...flags, options.entry], {
      env: options.env,
      stdio: ["ignore", log, log, "ipc"],
      // A group of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops services in their order.
      detached: true,
    });
    if (child.pid !== undefined) options.onStarted(child.pid);
    return child;
  } finally {
    closeSync(log);
  }
}

async function firstReady(
  child: ChildProcess,
  { name, index, logFile }: ServiceProcessOptions,
  self: ServiceProcess,
): Promise<void> {
  const refusal = await new Promise<string | undefined>((resolve) => {
    const timeout = setTimeout(
      () => resolve(`was not ready within ${READY_TIMEOUT_MS} ms`),
      READY_TIMEOUT_MS,
    );
    const settle = (reason?: string): void => {
      clearTimeout(timeout);
      resolve(reason);
    };
    child.on("message", (message) => {
      if (isReady(message)) settle();
    });
    child.once("error", (error) => settle(`could not be started: ${error.message}`));
    child.once("exit", (code, killedBy) =>
      settle(`ended with ${code ?? killedBy} before it was ready`),
    );
  });
  if (refusal === undefined) return;
  await self.stop(0);
  throw new Error(`${name}-${index} ${refusal}. The end of ${logFile}:\n${tailOf(logFile, 20)}`);
}

function isReady(message: unknown): message is ReadyMessage {
  return (
    typeof message === "object" && message !== null && "type" in message && message.type === "ready"
  );
}
