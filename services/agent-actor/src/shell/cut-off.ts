/**
 * A host that has lost NATS reads no mailbox, so it must not keep its partitions from those who could. One
 * lease after the loss it renews no more, and whoever still has NATS takes over. When nobody has it, all
 * leases end together, nobody takes, and everybody finds its own again: that is why a host that comes back
 * leaves what belongs to others alone for one lease, in which they come back too.
 */
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";

export interface CutOff {
  /** Looks at the connection, at every beat. False: the lease is to end. */
  mayRenew(): boolean;
  /** True for one lease after the return from a loss for which the lease was let go. */
  readonly returning: boolean;
}

export function createCutOff(options: {
  clock: Clock;
  connected: () => boolean;
  leaseTtlMs: number;
  logger: Logger;
}): CutOff {
  const { clock, connected, leaseTtlMs, logger } = options;
  let lostAtMs: number | null = null;
  let letGo = false;
  let returnedUntilMs = 0;
  return {
    mayRenew: () => {
      const now = clock.monotonicMs();
      if (connected()) {
        if (letGo) returnedUntilMs = now + leaseTtlMs;
        lostAtMs = null;
        letGo = false;
        return true;
      }
      lostAtMs ??= now;
      if (!letGo && now - lostAtMs >= leaseTtlMs) {
        letGo = true;
        logger.warn("no NATS for a lease: the lease is renewed no more");
      }
      return !letGo;
    },
    get returning() {
      return clock.monotonicMs() < returnedUntilMs;
    },
  };
}
