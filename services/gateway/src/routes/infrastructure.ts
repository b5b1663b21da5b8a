/** Who does the work: hosts and their partitions, runners and their leases. Of no company, so for operators alone. */
import { openBucket } from "@reveille/shared/nats/bucket";
import { firstStoredFrom } from "@reveille/shared/nats/inspection";
import { runnerLeaseSchema } from "@reveille/shared/protocol/execution";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { z } from "zod";
import type { Context } from "../context.js";
import { ownRoute } from "../own-route.js";
import type { AnyRoute } from "../route.js";
import { poolViewSchema } from "../runner-pools.js";

const partitionSchema = z.strictObject({
  partition: z.int(),
  owner: z.string().nullable(),
  epoch: z.int(),
  generation: z.int(),
  cursor: z.int().describe("Sequence of the last message applied"),
  nextSequence: z.int().nullable().describe("The oldest message that is not decided"),
  lagMs: z.int().nullable().describe("How long that message has been waiting; null: none waits"),
});
const hostSchema = z.strictObject({
  id: z.string(),
  version: z.string(),
  startedAt: z.iso.datetime(),
  leaseMs: z.number().describe("Until its lease ends; negative: it has ended"),
  partitions: z.int(),
});
const partitionsAnswer = z.strictObject({
  generation: z.int(),
  partitionCount: z.int(),
  keeper: z.string().nullable().describe("The host that keeps streams and buckets"),
  hosts: z.array(hostSchema),
  partitions: z.array(partitionSchema),
});
const runnersAnswer = z.strictObject({
  runners: z.array(runnerLeaseSchema),
  unread: z.int().describe("Leases beyond those shown, or that nobody can read"),
});

/** Leases in one answer, about 300 KiB with full slots of 16. */
const runnersMax = 500;
/** Questions to the stream at a time. */
const askedAtOnce = 16;

export function infrastructureRoutes(context: Context): AnyRoute[] {
  return [
    ownRoute({
      method: "GET",
      path: "/api/partitions",
      summary: "Hosts, and of each partition its owner, epoch, cursor and lag",
      operatorOnly: true,
      responses: { 200: partitionsAnswer },
      handle: () => partitions(context),
    }),
    ownRoute({
      method: "GET",
      path: "/api/runners",
      summary: "Runners with a living lease: pool, slots, adapters, runs",
      operatorOnly: true,
      responses: { 200: runnersAnswer },
      handle: () => runners(context),
    }),
    ownRoute({
      method: "GET",
      path: "/api/pools",
      summary: "Pools of runners: what waits in each, what runs, and with how many slots",
      operatorOnly: true,
      responses: { 200: z.strictObject({ pools: z.array(poolViewSchema) }) },
      handle: async () => ({ pools: await context.runnerPools.overview() }),
    }),
  ];
}

interface PartitionRow {
  partition: number;
  owner: string | null;
  epoch: number;
  generation: number;
  cursor: number;
}

async function partitions(context: Context): Promise<unknown> {
  const { pool } = context;
  const [state, hosts, found] = await Promise.all([
    pool.query<{ generation: number; partitionCount: number; keeper: string | null }>(
      `select generation, partition_count as "partitionCount",
         case when keeper_until > now() then keeper end as keeper from mailbox_state where id = 1`,
    ),
    pool.query(
      `select h.id, h.version, h.started_at as "startedAt",
         round(extract(epoch from h.lease_until - now()) * 1000)::float8 as "leaseMs",
         (select count(*)::int from partitions p where p.owner = h.id) as partitions
       from hosts h order by h.started_at, h.id limit 1000`,
    ),
    pool.query<PartitionRow>(
      `select partition, owner, epoch::float8 as epoch, generation, cursor_seq::float8 as cursor
       from partitions order by partition`,
    ),
  ]);
  const { generation = 0 } = state.rows[0] ?? {};
  const rows: unknown[] = [];
  for (let at = 0; at < found.rows.length; at += askedAtOnce)
    rows.push(
      ...(await Promise.all(
        found.rows.slice(at, at + askedAtOnce).map((row) => withLag(context, row, generation)),
      )),
    );
  return { ...state.rows[0], hosts: hosts.rows, partitions: rows };
}

async function withLag({ bus, subjects }: Context, row: PartitionRow, generation: number) {
  // A cursor of an older generation counts in a stream that is gone.
  const from = row.generation === generation ? row.cursor + 1 : 1;
  const stream = topologyNames(subjects.prefix).mailbox;
  const next = await firstStoredFrom(bus, stream, subjects.partitionFilter(row.partition), from);
  return {
    ...row,
    nextSequence: next?.seq ?? null,
    lagMs: next ? Math.max(0, Math.round(Date.now() - next.storedAtMs)) : null,
  };
}

async function runners({ bus, subjects }: Context): Promise<unknown> {
  const bucket = await openBucket(bus, topologyNames(subjects.prefix).runnerLeases);
  const keys = await bucket.keys();
  const entries = await Promise.all(keys.slice(0, runnersMax).map((key) => bucket.get(key)));
  const leases = entries.flatMap((entry) => {
    const read = runnerLeaseSchema.safeParse(entry && parse(entry.value));
    return read.success ? [read.data] : [];
  });
  leases.sort((a, b) => (a.startedAt < b.startedAt ? -1 : 1));
  return { runners: leases, unread: keys.length - leases.length };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return null; // counted as unread
  }
}
