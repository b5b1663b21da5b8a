/** The statements on partitions and on the generation of the stream: takeover, release, adoption. */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";

export interface PartitionRow {
  partition: number;
  epoch: number;
  generation: number;
  cursorSeq: number;
  cursorNs: bigint;
  skipSeq: number;
  skipNs: bigint;
}
interface Raw {
  partition: number;
  epoch: string;
  generation: number;
  cursor_seq: string;
  cursor_ns: string;
  skip_seq: string;
  skip_ns: string;
}
const columns = "partition, epoch, generation, cursor_seq, cursor_ns, skip_seq, skip_ns";
const rowOf = (raw: Raw): PartitionRow => ({
  partition: raw.partition,
  epoch: Number(raw.epoch),
  generation: raw.generation,
  cursorSeq: Number(raw.cursor_seq),
  cursorNs: BigInt(raw.cursor_ns),
  skipSeq: Number(raw.skip_seq),
  skipNs: BigInt(raw.skip_ns),
});

/** Takes what no live host owns, and raises the epoch: from here on every older writer is fenced. */
export async function takePartitions(
  pool: Sql,
  me: string,
  wanted: readonly number[],
): Promise<PartitionRow[]> {
  const taken = await guarded("take partitions", () =>
    pool.query<Raw>({
      name: "take_partitions",
      text: `update partitions p set owner = $1, epoch = p.epoch + 1 where p.partition = any($2::int[])
        and not exists (select 1 from hosts h where h.id = p.owner and h.id <> $1 and h.lease_until > clock_timestamp())
        and p.owner is distinct from $1 returning ${columns}`,
      values: [me, wanted],
    }),
  );
  return taken.rows.map(rowOf);
}

/** What this host left owned under its id (a restart of its loop) is taken anew with a new epoch. */
export async function releasePartitions(
  pool: Sql,
  me: string,
  given: readonly number[],
): Promise<void> {
  await guarded("release partitions", () =>
    pool.query({
      name: "release_partitions",
      text: "update partitions set owner = null where owner = $1 and partition = any($2::int[])",
      values: [me, given],
    }),
  );
}

/**
 * The partition enters a new generation of the stream: what was applied before is remembered as what
 * to skip, and the cursor counts anew. The larger of both marks, because a cursor that was still on its
 * way through what is skipped knows less than the mark before it. Null when the partition is no longer ours.
 */
export async function adoptGeneration(
  pool: Sql,
  row: PartitionRow,
  generation: number,
): Promise<PartitionRow | null> {
  const adopted = await guarded("adopt generation", () =>
    pool.query<Raw>({
      name: "adopt_generation",
      text: `update partitions set generation = $3, skip_seq = greatest(cursor_seq, skip_seq),
        skip_ns = greatest(cursor_ns, skip_ns), cursor_seq = 0, cursor_ns = 0
       where partition = $1 and epoch = $2 and generation < $3 returning ${columns}`,
      values: [row.partition, row.epoch, generation],
    }),
  );
  return adopted.rows[0] ? rowOf(adopted.rows[0]) : null;
}

/** A new generation, by whoever notices first: the number in force afterwards, and whether this call raised it. */
export async function raiseGeneration(
  pool: Sql,
  seen: number,
): Promise<{ generation: number; raised: boolean }> {
  const raised = await guarded("raise generation", () =>
    pool.query<{ generation: number; raised: boolean }>({
      name: "raise_generation",
      text: `with raised as (update mailbox_state set generation = generation + 1 where id = 1 and generation = $1 returning generation)
       select coalesce((select generation from raised), m.generation) as generation, exists (select 1 from raised) as raised
       from mailbox_state m where m.id = 1`,
      values: [seen],
    }),
  );
  return raised.rows[0]!;
}
