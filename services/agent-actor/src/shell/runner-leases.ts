/**
 * Is the runner behind a claim alive? Its incarnation's key in `runner-leases` vanishes one lease after
 * the last renewal, which is later than its guard's deadline: when the key is gone, so is the tree. A
 * bucket that is new, or could not be reached, is no evidence: one full lease has to pass first.
 * Also notices by itself when a lease ends behind which something was said to run.
 */
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Clock } from "@reveille/shared/runtime/clock";

export interface RunnerLeases {
  /** `unknown`: the bucket cannot tell yet. */
  stateOf(incarnation: string): Promise<"alive" | "gone" | "unknown">;
  /** Something runs there from now on: its lease is among those that `ended` looks at. */
  claimed(incarnation: string): void;
  /** Looks at the leases behind known claims once; true when one has ended since the last look. One read for each runner. */
  ended(): Promise<boolean>;
  /** The bucket was out of reach: nothing is concluded from it for one lease. */
  disturbed(): void;
}

export async function createRunnerLeases(
  bucket: Bucket,
  leaseTtlMs: number,
  clock: Clock,
): Promise<RunnerLeases> {
  let bucketCreatedAt = await bucket.createdAtMs();
  // The bucket's own age counts, so that a host which starts beside a healthy system can tell at once. By the server's clock:
  // with this machine's, an hour ahead, a bucket that was just made would pass for an old one.
  const age = await bucket.ageMs();
  let trustedFrom = clock.monotonicMs() + Math.max(0, leaseTtlMs - age);
  /** As many as there are runners with work: those whose lease has ended are forgotten. */
  const watched = new Set<string>();
  const distrust = (): void => {
    trustedFrom = clock.monotonicMs() + leaseTtlMs;
  };
  const stateOf = async (incarnation: string): Promise<"alive" | "gone" | "unknown"> => {
    watched.add(incarnation);
    if ((await bucket.get(incarnation)) !== null) return "alive";
    // Asked after the key: a bucket that was made anew between the two answers would speak for the old one.
    const createdAt = await bucket.createdAtMs();
    if (createdAt !== bucketCreatedAt) distrust();
    bucketCreatedAt = createdAt;
    if (clock.monotonicMs() < trustedFrom) return "unknown";
    watched.delete(incarnation);
    return "gone";
  };
  return {
    stateOf,
    claimed: (incarnation) => void watched.add(incarnation),
    ended: async () => {
      const states = await Promise.all([...watched].map(stateOf));
      return states.includes("gone");
    },
    disturbed: distrust,
  };
}
