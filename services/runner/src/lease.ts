/**
 * The lease of one incarnation: a key in the bucket of leases, written anew all the time. A confirmed
 * renewal moves the deadline to its sending time plus the guard's span; a deadline that has passed
 * stays passed, whatever is confirmed later.
 */
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Bus } from "@reveille/shared/nats/bus";
import type { RunnerLease } from "@reveille/shared/protocol/execution";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";

export interface Lease {
  /** True once the deadline has passed; never false again. */
  passed(): boolean;
  /** Deletes the key. Best effort: without it the lease ends by itself. */
  release(): Promise<void>;
  /** Stops renewing, keeps the key. */
  stop(): void;
}
export interface LeaseOptions {
  clock: Clock;
  /** What `onRenewed` counts in: the monotonic clock that runner and guard share. */
  machineNs: () => bigint;
  bus: Bus;
  bucket: Bucket;
  incarnation: string;
  value: () => RunnerLease;
  renewMs: number;
  deadlineMs: number;
  /** A renewal was confirmed: trees may live until then (monotonic nanoseconds). */
  onRenewed: (deadlineNs: bigint) => void;
  onPassed: () => void;
  logger: Logger;
}

/**
 * Resolves when the first renewal is confirmed.
 * @throws RuntimeError `BrokerUnavailable` when it is not.
 */
export async function takeLease(options: LeaseOptions): Promise<Lease> {
  const { clock, machineNs, bus, bucket, incarnation, logger } = options;
  let deadlineNs: bigint | null = null;
  let revision = 0;
  let over = false;
  const renewing = new Set<Promise<void>>();
  /** The one that began last; earlier ones broke with their connection and only say so late. */
  let latest: Promise<void> | null = null;
  let passed = false;

  const check = (): boolean => {
    if (!passed && deadlineNs !== null && machineNs() > deadlineNs) {
      passed = true;
      if (!over) options.onPassed();
      stop();
    }
    return passed;
  };
  const renew = async (): Promise<void> => {
    const sentNs = machineNs();
    const put = await bucket.put(incarnation, Buffer.from(JSON.stringify(options.value())));
    revision = Math.max(revision, put);
    if (check() || over) return;
    const untilNs = sentNs + BigInt(options.deadlineMs) * 1_000_000n;
    // Two may be under way after a reconnect, and the older one be confirmed last.
    if (deadlineNs !== null && untilNs <= deadlineNs) return;
    deadlineNs = untilNs;
    options.onRenewed(deadlineNs);
  };
  const begin = (): void => {
    if (over || check()) return;
    const renewal = renew()
      .catch((error: unknown) => logger.warn({ err: error }, "the lease was not renewed"))
      .finally(() => {
        renewing.delete(renewal);
        if (latest === renewal) latest = null;
      });
    latest = renewal;
    renewing.add(renewal);
  };
  await renew();
  const renewal = clock.every(options.renewMs, () => {
    if (latest === null) begin();
  });
  // What was on its way when the connection broke is lost, which it says only seconds later: too late after a long outage.
  const reconnects = bus.onState((state) => {
    if (state === "connected") begin();
  });
  // Twice a second: what is decided here is only who says first that the time is over.
  const checking = clock.every(Math.min(500, options.deadlineMs / 4), check);
  const stop = (): void => {
    over = true;
    renewal.cancel();
    checking.cancel();
    reconnects();
  };
  return {
    passed: check,
    stop,
    release: async () => {
      stop();
      // One that is confirmed after the deletion would make the key anew.
      await Promise.all(renewing);
      try {
        await bucket.remove(incarnation, revision);
      } catch (error) {
        logger.warn({ err: error }, "the lease could not be deleted; it ends by itself");
      }
    },
  };
}
