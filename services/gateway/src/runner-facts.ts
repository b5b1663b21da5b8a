/** Living runners as of a moment ago, from their leases. Keeps nothing longer than that, and decides nothing. */
import { openBucket } from "@reveille/shared/nats/bucket";
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { decodePayload } from "@reveille/shared/protocol/codec";
import { runnerLeaseSchema } from "@reveille/shared/protocol/execution";
import type { Logger } from "@reveille/shared/runtime/log";

export interface RunnerFacts {
  pool: string;
  adapters: readonly string[];
  slots: number;
  /** Slots that are taken. */
  taken: number;
  /** It takes nothing more. */
  draining: boolean;
}
/** Without NATS those that were known last. */
export type ReadRunners = () => Promise<readonly RunnerFacts[]>;

/** A further runner that started shows within this time; a lease itself lives for longer. The first one shows at once. */
const freshMs = 3_000;
/** Leases that one look reads: beyond that many runners, some of them speak for all. */
const leasesMax = 500;

export function createRunnerFacts(bus: NatsBus, bucketName: string, logger: Logger): ReadRunners {
  let bucket: Bucket | undefined;
  let known: RunnerFacts[] = [];
  let readAt = -Infinity;
  let reading: Promise<void> | null = null;
  const read = async (): Promise<void> => {
    const leases = (bucket ??= await openBucket(bus, bucketName));
    const names = (await leases.keys()).slice(0, leasesMax);
    const entries = await Promise.all(names.map((name) => leases.get(name)));
    known = entries.flatMap((entry) => {
      const decoded = entry && decodePayload(entry.value);
      const lease = runnerLeaseSchema.safeParse(decoded?.ok ? decoded.value : null);
      if (!lease.success) return [];
      const { pool, adapters, slots, draining, runs } = lease.data;
      return [{ pool, adapters, slots, draining, taken: runs.length }];
    });
    readAt = performance.now();
  };
  return async () => {
    const stale = known.length === 0 || performance.now() - readAt > freshMs;
    if (bus.connected && stale)
      await (reading ??= read()
        .catch((error: unknown) => logger.warn({ err: error }, "cannot read runners' leases"))
        .finally(() => {
          reading = null;
        }));
    return known;
  };
}
