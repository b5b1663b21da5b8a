/**
 * Is the runner behind a claim alive? Its incarnation's key in `runner-leases` vanishes one lease after
 * the last renewal, which is later than its guard's deadline: when the key is gone, so is the tree. A
 * bucket that is new, or could not be reached, is no evidence: one full lease has to pass first.
 */
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Clock } from "@reveille/shared/runtime/clock";

export interface RunnerLeases {
  /** `unknown`: the bucket cannot tell yet. */
  stateOf(incarnation: string): Promise<"alive" | "gone" | "unknown">;
  /** The bucket was out of reach: nothing is concluded from it for one lease. */
  disturbed(): void;
}

export async function createRunnerLeases(
  bucket: Bucket,
  leaseTtlMs: number,
  clock: Clock,
): Promise<RunnerLeases> {
  let bucketCreatedAt = await bucket.createdAtMs();
  // Monotonic; the bucket's own age counts, so that a host which starts beside a healthy system can tell at once.
  const age = clock.wallMs() - bucketCreatedAt;
  let trustedFrom = clock.monotonicMs() + Math.max(0, leaseTtlMs - age);
  const distrust = (): void => {
    trustedFrom = clock.monotonicMs() + leaseTtlMs;
  };
  return {
    stateOf: async (incarnation) => {
      if ((await bucket.get(incarnation)) !== null) return "alive";
      // Asked after the key: a bucket that was made anew between the two answers would speak for the old one.
      const createdAt = await bucket.createdAtMs();
      if (createdAt !== bucketCreatedAt) distrust();
      bucketCreatedAt = createdAt;
      return clock.monotonicMs() >= trustedFrom ? "gone" : "unknown";
    },
    disturbed: distrust,
  };
}
