/**
 * A rate that a source may keep up: it can spend one second's worth at once, and what it spends beyond that
 * has to be waited for. A token bucket that may be overdrawn by one spending, because what was read from a
 * pipe is there.
 */
import type { Clock, Timer } from "@reveille/shared/runtime/clock";

export interface RateLimit {
  /** False when it is spent now: the source has to wait until `onRoom`. */
  spend(amount: number): boolean;
  readonly spent: boolean;
  stop(): void;
}

/** @param perSec 0: no limit. */
export function createRateLimit(clock: Clock, perSec: number, onRoom: () => void): RateLimit {
  if (perSec === 0) return { spend: () => true, spent: false, stop: () => undefined };
  let left = perSec;
  let countedAt = clock.monotonicMs();
  let timer: Timer | null = null;
  const count = (): void => {
    const now = clock.monotonicMs();
    left = Math.min(perSec, left + ((now - countedAt) * perSec) / 1_000);
    countedAt = now;
  };
  return {
    spend: (amount) => {
      count();
      left -= amount;
      if (left >= 0) return true;
      timer ??= clock.after((-left * 1_000) / perSec, () => {
        timer = null;
        onRoom();
      });
      return false;
    },
    get spent() {
      return timer !== null;
    },
    stop: () => timer?.cancel(),
  };
}
