/** Something done again and again, one at a time: a slow turn delays the next, a failed one is reported and repeated. */
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";

export interface Period {
  /** No further turn; resolves when the one under way is over. */
  stop(): Promise<void>;
}

export function every(
  clock: Clock,
  periodMs: number,
  name: string,
  logger: Logger,
  turn: () => void | Promise<void>,
): Period {
  let running: Promise<void> | null = null;
  const timer = clock.every(periodMs, () => {
    running ??= Promise.resolve()
      .then(turn)
      .catch((error: unknown) => logger.warn({ err: error, name }, "a period failed"))
      .finally(() => (running = null));
  });
  return {
    stop: async () => {
      timer.cancel();
      await running;
    },
  };
}
