/**
 * The lease of this host: one row, renewed by one statement, which also reads who else lives and which
 * generation the stream has. The host trusts its lease until the renewal that was confirmed last was
 * *sent*, plus the lease, minus a margin, on the monotonic clock: it stops before anybody may take over.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";

export interface HostView {
  /** Every live host, this one among them. */
  hosts: string[];
  /** Milliseconds until the first lease of another live host ends, if it is not renewed. Null: there is no other. */
  firstEndMs: number | null;
  generation: number;
  partitionCount: number;
  owners: { partition: number; owner: string | null; epoch: number }[];
}
export interface HostLease {
  readonly trusted: boolean;
  /**
   * Milliseconds since 1970 by the database's clock, carried on by the monotonic one, so that a leap of this machine's clock moves
   * nothing. Before the first renewal by this machine's.
   */
  nowMs(): number;
  /** Renews and reads. @throws RuntimeError `StoreUnavailable`. */
  renew(): Promise<HostView>;
  /** Gives the lease back, so that nobody waits for it to end. */
  resign(): Promise<void>;
}

const statement = {
  name: "renew_host",
  text: `with renewed as (
      insert into hosts (id, lease_until, version) values ($1, clock_timestamp() + $2 * interval '1 millisecond', $3)
      on conflict (id) do update set lease_until = excluded.lease_until returning id)
    select (select json_agg(h.id) from hosts h where h.lease_until > clock_timestamp() and h.id <> $1) as others,
      (select min(h.lease_until) from hosts h where h.lease_until > clock_timestamp() and h.id <> $1) as first_end,
      clock_timestamp() as now, m.generation, m.partition_count,
      (select json_agg(json_build_object('partition', p.partition, 'owner', p.owner, 'epoch', p.epoch) order by p.partition)
        from partitions p) as owners
    from mailbox_state m, renewed where m.id = 1`,
};

export interface HostLeaseOptions {
  hostId: string;
  /** 3,000 ms by default: what a takeover waits for after a kill -9. */
  ttlMs: number;
  version: string;
  clock: Clock;
  logger: Logger;
}

export function createHostLease(pool: Sql, options: HostLeaseOptions): HostLease {
  // A sixth of the lease: more than a garbage collection, less than what a takeover would notice.
  const marginMs = options.ttlMs / 6;
  let trustedUntil = 0;
  /** What to add to the monotonic clock; undefined before the first renewal. */
  let offsetMs: number | undefined;
  return {
    nowMs: () =>
      offsetMs === undefined ? options.clock.wallMs() : options.clock.monotonicMs() + offsetMs,
    get trusted() {
      return options.clock.monotonicMs() < trustedUntil;
    },
    renew: async () => {
      const sentAt = options.clock.monotonicMs();
      const found = await guarded("renew lease", () =>
        pool.query<{
          others: string[] | null;
          first_end: Date | null;
          now: Date;
          generation: number;
          partition_count: number;
          owners: HostView["owners"];
        }>({
          ...statement,
          values: [options.hostId, options.ttlMs, options.version],
        }),
      );
      trustedUntil = sentAt + options.ttlMs - marginMs;
      const row = found.rows[0]!;
      // Half of the way there and back: wrong by less than that, which is far less than a timer may be late.
      offsetMs = row.now.getTime() - (sentAt + options.clock.monotonicMs()) / 2;
      return {
        hosts: [options.hostId, ...(row.others ?? [])],
        firstEndMs: row.first_end && row.first_end.getTime() - row.now.getTime(),
        generation: row.generation,
        partitionCount: row.partition_count,
        owners: row.owners,
      };
    },
    resign: async () => {
      trustedUntil = 0;
      await guarded("resign lease", () =>
        pool.query({
          name: "resign_host",
          text: "delete from hosts where id = $1",
          values: [options.hostId],
        }),
      );
    },
  };
}
