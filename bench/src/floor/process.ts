/**
 * The processes of a floor: started with `fork`, given one input, ready with one message, talking by IPC.
 * IPC carries inputs and results only; nothing that is measured goes through it.
 */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What every process of the pipeline needs. The NATS user may publish and subscribe everything. */
export interface ServerUrls {
  natsUrl: string;
  databaseUrl: string;
}
type Envelope =
  | { type: "input"; value: unknown }
  | { type: "ready" }
  | { type: "result"; value: unknown }
  | { type: "failed"; reason: string };

/** Starting Node and connecting takes 0.2-0.5 s; a loaded machine far longer. */
const readyTimeoutMs = 30_000;

export interface Worker {
  readonly pid: number;
  /** Resolves with the process's next result. @throws Error when it fails, exits, or is silent for `timeoutMs`. */
  result<T>(timeoutMs: number): Promise<T>;
  /** Gives further input. */
  send(value: unknown): void;
  /** Ends it with SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
}

/** Starts `bench/dist/floor/<file>.js` with its input; resolves when it says that it is ready. */
export async function startWorker(file: string, input: unknown): Promise<Worker> {
  const path = fileURLToPath(new URL(`./${file}.js`, import.meta.url));
  const child = fork(path, { serialization: "advanced" });
  child.send({ type: "input", value: input } satisfies Envelope);
  const worker: Worker = {
    pid: child.pid ?? 0,
    result: async <T>(timeoutMs: number) => (await next(child, "result", file, timeoutMs)) as T,
    send: (value) => child.send({ type: "input", value } satisfies Envelope),
    stop: () => stop(child),
  };
  try {
    await next(child, "ready", file, readyTimeoutMs);
  } catch (error) {
    await stop(child);
    throw error;
  }
  return worker;
}

function next(
  child: ChildProcess,
  wanted: "ready" | "result",
  file: string,
  timeoutMs: number,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      clearTimeout(timer);
      child.off("message", onMessage);
      child.off("exit", onExit);
      finish();
    };
    const fail = (why: string): void =>
      settle(() => reject(new Error(`floor process ${file}: ${why}`)));
    const timer = setTimeout(() => fail(`no ${wanted} within ${timeoutMs} ms`), timeoutMs);
    const onMessage = (raw: unknown): void => {
      const message = raw as Envelope;
      if (message.type === "failed") fail(message.reason);
      else if (message.type === wanted)
        settle(() => resolve("value" in message ? message.value : undefined));
    };
    const onExit = (code: number | null, signal: string | null): void =>
      fail(`exited with ${code ?? signal}`);
    child.on("message", onMessage);
    child.once("exit", onExit);
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  // 5 s: these processes hold nothing that needs an orderly end.
  const insist = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await gone;
  clearTimeout(insist);
}

export interface Parent<Input> {
  readonly input: Promise<Input>;
  /** Calls the handler for every further input. */
  readonly onInput: (handler: (value: unknown) => void) => void;
  readonly ready: () => void;
  readonly result: (value: unknown) => void;
  /** Reports the error to the parent and ends the process. */
  readonly fail: (error: unknown) => void;
}

/** The child's side. A process whose parent is gone ends. */
export function childOf<Input>(): Parent<Input> {
  const send = (message: Envelope): void => void process.send?.(message);
  const handlers: ((value: unknown) => void)[] = [];
  let first: ((value: Input) => void) | undefined;
  const input = new Promise<Input>((resolve) => (first = resolve));
  process.on("message", (raw) => {
    const message = raw as Envelope;
    if (message.type !== "input") return;
    if (first) {
      first(message.value as Input);
      first = undefined;
    } else for (const handler of handlers) handler(message.value);
  });
  process.on("disconnect", () => process.exit(0));
  const fail = (error: unknown): void => {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.send?.({ type: "failed", reason } satisfies Envelope, () => process.exit(1));
  };
  process.on("uncaughtException", fail);
  return {
    input,
    onInput: (handler) => void handlers.push(handler),
    ready: () => send({ type: "ready" }),
    result: (value) => send({ type: "result", value }),
    fail,
  };
}
