// Owns bounded waiting in the launchers: ask again until it is so, and say what was last seen when it never became so.
import { setTimeout as delay } from "node:timers/promises";

/** 20 ms: a server that starts in 100-200 ms (measured) is noticed without adding a tenth to it, at no cost in CPU. */
const INTERVAL_MS = 20;

/**
 * Resolves to the first answer that is not undefined. `probe` may throw to give up at once.
 * @throws Error naming `what` after `timeoutMs`.
 */
export async function eventually<T>(
  what: string,
  timeoutMs: number,
  probe: () => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(INTERVAL_MS);
  }
}
