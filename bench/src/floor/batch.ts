/**
 * The bare pipeline's Postgres half: its tables, and one transaction for a batch of mailbox messages: rows
 * of all tables at once, the cursors with every epoch checked, as in the product.
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

export const dropTables = async (pool: pg.Pool): Promise<void> => {
  await pool.query("drop schema if exists floor cascade");
};

export const createTables = async (pool: pg.Pool): Promise<void> => {
  await pool.query(tables.replace("$partitions", String(partitionCount)));
};

/** The wake's row has the run's id: closing it needs no second index, which only makes the floor faster. */
export interface WakeRow {
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

// All tables and the cursors in one statement: one round trip and one transaction, which is the least that a
// commit can cost. A run is never inserted and changed by the same batch (its go follows the commit).
const commitText = `
  with new_wakes as (
    insert into floor.wakes (id, company_id, agent_id, wake_id, payload, status, run_id)
    select id, company, agent, wake, payload, 'queued', id
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[])
      as n(id, company, agent, wake, payload)
    on conflict do nothing
  ), new_runs as (
    insert into floor.runs (id, company_id, agent_id, wake_id, status)
    select id, company, agent, wake, 'queued'
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[]) as n(id, company, agent, wake)
    on conflict do nothing
  ), changed as (
    update floor.runs as r set status = n.status, claim_id = n.claim, runner_id = n.runner,
      exit_code = n.exit, log_bytes = n.bytes, log_sha256 = n.sha,
      started_at = case when n.status = 'running' then now() else r.started_at end,
      finished_at = case when n.status = 'running' then null else now() end
    from unnest($6::uuid[], $7::text[], $8::uuid[], $9::text[], $10::int[], $11::bigint[], $12::text[])
      as n(id, status, claim, runner, exit, bytes, sha)
    where r.id = n.id and r.status in ('queued', 'running')
  ), closed as (
    update floor.wakes as w set status = 'completed', finished_at = now()
    from unnest($6::uuid[], $7::text[]) as n(id, status)
    where w.id = n.id and n.status <> 'running'
  )
  update floor.partitions as p set cursor_seq = n.seq, cursor_ns = n.ns
  from unnest($13::int[], $14::bigint[], $15::bigint[]) as n(partition, seq, ns)
  where p.partition = n.partition and p.epoch = 1`;

/** Commits one batch. The statement is prepared once per connection. */
export async function commitBatch(pool: pg.Pool, batch: Batch): Promise<void> {
  const { wakes, changes, cursors } = batch;
  const wake = (key: keyof WakeRow): string[] => wakes.map((row) => row[key]);
  const change = (key: keyof RunChange): unknown[] => changes.map((row) => row[key]);
  const moved = await pool.query({
    name: "commit-batch",
    text: commitText,
    values: [
      wake("runId"),
      wake("companyId"),
      wake("agentId"),
      wake("wakeId"),
      wake("payload"),
      change("runId"),
      change("status"),
      change("claimId"),
      change("runnerId"),
      change("exitCode"),
      change("logBytes"),
      change("logSha256"),
      [...cursors.keys()],
      [...cursors.values()].map(({ seq }) => seq),
      [...cursors.values()].map(({ timestampNs }) => String(timestampNs)),
    ],
  });
  if (moved.rowCount !== cursors.size) throw new Error("fenced: somebody else owns a partition");
}
