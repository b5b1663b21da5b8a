/**
 * The frame of a service's `main.ts`: configuration errors end the process with code 2 and one clear
 * text, SIGTERM and SIGINT drain, a parent that opened an IPC channel is told when the service is up.
 */
import { ConfigError } from "./config.js";
import type { Logger } from "./log.js";
import type { Service } from "./service.js";

export interface Started extends Service {
  /** What a parent process is told with `ready`. */
  ready?: Record<string, unknown>;
  /** Resolves when the service ended by itself (`--once`); the process then exits with this code. */
  done?: Promise<number>;
}

/** Runs a service until a signal or its own end. `drainMs` bounds the drain before the exit. */
export async function runMain(
  start: () => Promise<{ started: Started; logger: Logger; drainMs: number }>,
): Promise<void> {
  try {
    const { started, logger, drainMs } = await start();
    let stopping = false;
    const stop = async (why: string, code: number): Promise<void> => {
      if (stopping) return;
      stopping = true;
      logger.info({ why }, "stopping");
      await started.stop(drainMs);
      logger.info("stopped");
      process.exit(code);
    };
    const onSignal = (signal: NodeJS.Signals): void => {
      stop(signal, 0).catch((error: unknown) => {
        logger.fatal({ err: error }, "stop failed");
        process.exit(1);
      });
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
    // A supervisor that died cannot stop us any more: without it nobody would.
    if (process.send) process.on("disconnect", () => onSignal("SIGTERM"));
    process.send?.({ type: "ready", pid: process.pid, ...started.ready });
    const code = await started.done;
    if (code !== undefined) await stop("done", code);
  } catch (error) {
    process.stderr.write(
      error instanceof ConfigError ? `${error.message}\n` : `${(error as Error).stack}\n`,
    );
    process.exit(error instanceof ConfigError ? 2 : 1);
  }
}
