/**
 * Notices that the bucket of issue locks is not the one it was. One that was made anew says "free" of
 * every issue and knows no waiter: what Postgres says has to be put into it at once, not when the next
 * period comes. Knows no lock.
 */
import type { Bucket } from "@reveille/shared/nats/bucket";

export interface LockBucketWatch {
  /** Looks once. @throws RuntimeError of NATS or of `onNew`; the next call then tries again. */
  check(): Promise<void>;
}

/** Remembers the bucket as it is now. @throws RuntimeError `BrokerUnavailable`. */
export async function watchLockBucket(
  bucket: Bucket,
  onNew: () => Promise<void>,
): Promise<LockBucketWatch> {
  let known = await bucket.createdAtMs();
  return {
    check: async () => {
      const createdAt = await bucket.createdAtMs();
      if (createdAt !== known) await onNew();
      known = createdAt;
    },
  };
}
