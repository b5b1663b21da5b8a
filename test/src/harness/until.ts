// Owns waiting in tests: ask again until it is so; what never became so fails with what was last seen. Nothing else waits.
import { setTimeout as pause } from "node:timers/promises";

/** 25 ms: far below what any bound of these tests measures, and cheap beside the system under test. */
const intervalMs = 25;

export interface UntilOptions {
  timeoutMs?: number;
  /** What to print when the time is over. */
  describe?: () => unknown;
}

/** Resolves to the first answer that is neither undefined nor false. @throws Error naming `what`, with the description. */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs = 20_000, describe = () => "" }: UntilOptions = {},
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) {
      const seen = await describe();
      const text = typeof seen === "string" ? seen : JSON.stringify(seen, undefined, 1);
      throw new Error(`${what}: not within ${timeoutMs} ms; ${text}`);
    }
    await pause(intervalMs);
  }
}
