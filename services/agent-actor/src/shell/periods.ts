/** Something done again and again, one at a time: a slow turn delays the next, a failed one is reported and repeated. */
import type { Logger } from "@reveille/shared/runtime/log";

export interface Period {
  /** No further turn; resolves when the one under way is over. */
  stop(): Promise<void>;
}

export function every(
  periodMs: number,
  name: string,
  logger: Logger,
  turn: () => void | Promise<void>,
): Period {
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    running ??= Promise.resolve()
      .then(turn)
      .catch((error: unknown) => logger.warn({ err: error, name }, "a period failed"))
      .finally(() => (running = null));
  }, periodMs);
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
