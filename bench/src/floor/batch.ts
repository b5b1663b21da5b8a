/**
 * The bare pipeline's Postgres half: its tables, and one transaction for a batch of mailbox messages.
 * One multi-row statement per table, the cursors last with every epoch checked, as in the product.
 */
import type pg from "pg";
import { partitionCount } from "./settings.js";

/** The columns that a wake and a run cannot do without, the keys that make them findable. */
const tables = `
  drop schema if exists floor cascade;
  create schema floor;
  create table floor.wakes (
    id uuid primary key, company_id uuid not null, agent_id uuid not null, wake_id text not null,
    payload jsonb, status text not null, run_id uuid, requested_at timestamptz not null default now(),
    finished_at timestamptz, unique (agent_id, wake_id));
  create table floor.runs (
    id uuid primary key, company_id uuid not null, agent_id uuid not null, wake_id text not null,
    status text not null, claim_id uuid, runner_id text, exit_code int, log_bytes bigint, log_sha256 text,
    created_at timestamptz not null default now(), started_at timestamptz, finished_at timestamptz);
  create index on floor.runs (agent_id) where status in ('queued', 'running');
  create table floor.partitions (
    partition int primary key, epoch bigint not null, cursor_seq bigint not null, cursor_ns bigint not null);
  insert into floor.partitions select p, 1, 0, 0 from generate_series(0, $partitions - 1) p;`;

export const createTables = async (pool: pg.Pool): Promise<void> => {
  await pool.query(tables.replace("$partitions", String(partitionCount)));
};

export interface WakeRow {
  id: string;
  companyId: string;
  agentId: string;
  wakeId: string;
  payload: string;
  runId: string;
}
export interface RunChange {
  runId: string;
  status: "running" | "succeeded" | "failed";
  claimId: string;
  runnerId: string;
  exitCode: number | null;
  logBytes: number | null;
  logSha256: string | null;
}
export interface Batch {
  wakes: WakeRow[];
  changes: RunChange[];
  /** Highest sequence and timestamp by partition. */
  cursors: Map<number, { seq: number; timestampNs: bigint }>;
}

const insertWakes = `
  insert into floor.wakes (id, company_id, agent_id, wake_id, payload, status, run_id)
  select id, company, agent, wake, payload, 'queued', run
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::uuid[])
    as n(id, company, agent, wake, payload, run)
  on conflict do nothing`;
const insertRuns = `
  insert into floor.runs (id, company_id, agent_id, wake_id, status)
  select run, company, agent, wake, 'queued'
  from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) as n(company, agent, run, wake)
  on conflict do nothing`;
const updateRuns = `
  update floor.runs as r set status = n.status, claim_id = n.claim, runner_id = n.runner,
    exit_code = n.exit, log_bytes = n.bytes, log_sha256 = n.sha,
    started_at = case when n.status = 'running' then now() else r.started_at end,
    finished_at = case when n.status = 'running' then null else now() end
  from unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::int[], $6::bigint[], $7::text[])
    as n(id, status, claim, runner, exit, bytes, sha)
  where r.id = n.id and r.status in ('queued', 'running')`;
const closeWakes = `
  update floor.wakes as w set status = 'completed', finished_at = now()
  from unnest($1::uuid[]) as n(run) where w.id = n.run`;
const moveCursors = `
  update floor.partitions as p set cursor_seq = n.seq, cursor_ns = n.ns
  from unnest($1::int[], $2::bigint[], $3::bigint[]) as n(partition, seq, ns)
  where p.partition = n.partition and p.epoch = 1`;

/** Commits one batch. Statements are prepared once per connection, sent one after the other. */
export async function commitBatch(client: pg.PoolClient, batch: Batch): Promise<void> {
  const { wakes, changes, cursors } = batch;
  await client.query("begin");
  if (wakes.length > 0) {
    const of = (key: keyof WakeRow): string[] => wakes.map((wake) => wake[key]);
    await client.query({
      name: "insert-wakes",
      text: insertWakes,
      values: [of("id"), of("companyId"), of("agentId"), of("wakeId"), of("payload"), of("runId")],
    });
    await client.query({
      name: "insert-runs",
      text: insertRuns,
      values: [of("companyId"), of("agentId"), of("runId"), of("wakeId")],
    });
  }
  if (changes.length > 0) {
    const of = (key: keyof RunChange): unknown[] => changes.map((change) => change[key]);
    await client.query({
      name: "update-runs",
      text: updateRuns,
      values: [
        of("runId"),
        of("status"),
        of("claimId"),
        of("runnerId"),
        of("exitCode"),
        of("logBytes"),
        of("logSha256"),
      ],
    });
    const over = changes.filter(({ status }) => status !== "running").map(({ runId }) => runId);
    if (over.length > 0)
      await client.query({ name: "close-wakes", text: closeWakes, values: [over] });
  }
  const moved = await client.query({
    name: "move-cursors",
    text: moveCursors,
    values: [
      [...cursors.keys()],
      [...cursors.values()].map(({ seq }) => seq),
      [...cursors.values()].map(({ timestampNs }) => String(timestampNs)),
    ],
  });
  if (moved.rowCount !== cursors.size) throw new Error("fenced: somebody else owns a partition");
  await client.query("commit");
}
