/**
 * Compares what Postgres says is under way with NATS, per partition: before the first batch after a
 * takeover, a new generation or a reconnect, and now and then. Redoes what is owed. This one mechanism
 * covers a crash between commit and effects, a lost lock bucket and a lost or rolled-back stream. It
 * never looks at queued runs without a slot. Repeating it is harmless, as each effect is.
 */
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { encodePayload } from "@reveille/shared/protocol/codec";
import { headers } from "@reveille/shared/protocol/headers";
import { runIdOfWake } from "@reveille/shared/protocol/ids";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import { runFields } from "@reveille/shared/runtime/log";
import type { Logger } from "@reveille/shared/runtime/log";
import { dispatchEffect } from "../core/admit.js";
import type { Effect } from "../core/decision.js";
import type { LockEntry } from "../core/lock.js";
import type { IssueLocks } from "./issue-locks.js";
import { loadAgents } from "./load.js";
import type { RunnerLeases } from "./runner-leases.js";

export interface ReconcileContext {
  pool: Sql;
  publisher: StoredPublisher;
  subjects: Subjects;
  locks: IssueLocks;
  leases: RunnerLeases;
  perform: (effects: readonly Effect[]) => void;
  logger: Logger;
}

interface Row {
  id: string;
  company_id: string;
  agent_id: string;
  phase: "queued" | "waiting" | "dispatched" | "running" | "cancelling" | "over" | "deferred";
  issue_id: string | null;
  attempt: number;
  claim_id: string | null;
  runner_incarnation: string | null;
  cancel_reason: string | null;
  finish_requested: boolean;
  holds_issue: boolean;
  owes_release: boolean;
  wakeup_request_id: string;
  wake_id: string;
  partition: number;
  generation: number;
  stream_seq: string;
  traceparent: string | null;
  created_at: Date;
  /** How far the partition was applied when the row was read. */
  cursor_generation: number;
  cursor_seq: string;
}

/** Rows read at once; more are read page by page, in the order of their ids. */
const rowsMax = 2_000;
const beforeAllIds = "00000000-0000-0000-0000-000000000000";

const statement = {
  name: "reconcile_rows",
  text: `select r.id, company_id, agent_id, phase, issue_id, attempt, claim_id, runner_incarnation, cancel_reason, finish_requested, holds_issue,
      owes_release, wakeup_request_id, wake_id, r.partition, r.generation, stream_seq, traceparent, created_at,
      p.generation as cursor_generation, p.cursor_seq
    from heartbeat_runs r join partitions p on p.partition = r.partition
    where r.partition = any($1::int[]) and updated_at < now() - $2 * interval '1 millisecond' and (active or owes_release)
      and r.id > $3
    union all
    select w.id, company_id, agent_id, 'deferred', issue_id, 0, null, null, null, false, false, owes_release, w.id, wake_id,
      w.partition, w.generation, stream_seq, traceparent, requested_at, p.generation, p.cursor_seq
    from agent_wakeup_requests w join partitions p on p.partition = w.partition
    where w.partition = any($1::int[]) and updated_at < now() - $2 * interval '1 millisecond' and (waits or owes_release)
      and w.id > $3
    order by id limit ${rowsMax}`,
};

/** Reconciles rows older than `ageMs` of these partitions. @throws RuntimeError of Postgres or NATS: try again. */
export async function reconcile(
  context: ReconcileContext,
  partitions: readonly number[],
  ageMs: number,
): Promise<void> {
  if (partitions.length === 0) return;
  for (let after: string | null = beforeAllIds; after !== null;) {
    const values: unknown[] = [partitions, ageMs, after];
    const found = await guarded("reconcile", () =>
      context.pool.query<Row>({ ...statement, values }),
    );
    await reconcileRows(context, found.rows);
    after = found.rows.length < rowsMax ? null : found.rows.at(-1)!.id;
  }
}

async function reconcileRows(context: ReconcileContext, rows: readonly Row[]): Promise<void> {
  const dispatched = rows.filter((row) => row.phase === "dispatched");
  if (dispatched.length > 0) await redispatch(context, dispatched);
  for (const row of rows) {
    if (row.owes_release) passOn(context, row);
    else if (row.phase === "running" || row.phase === "cancelling") await checkRunner(context, row);
    else if (row.phase === "waiting" || row.phase === "deferred") await checkWaiter(context, row);
    if (row.holds_issue && row.issue_id)
      tell(context, row.issue_id, await context.locks.assertHolder(row.issue_id, entryOf(row)));
  }
}

/** (a) Dispatched without a go: the execution again; one that is still stored admits no second copy. */
async function redispatch(context: ReconcileContext, rows: readonly Row[]): Promise<void> {
  const states = await loadAgents(context.pool, [...new Set(rows.map((row) => row.agent_id))]);
  for (const row of rows) {
    const state = states.get(row.agent_id);
    const run = state?.runs.find((live) => live.id === row.id);
    if (state && run?.phase === "dispatched") context.perform([dispatchEffect(state, run)]);
  }
}

/** (b), (c) A claim whose runner is gone is lost; one that is to be cancelled is told again. */
async function checkRunner(context: ReconcileContext, row: Row): Promise<void> {
  if (!row.claim_id || !row.runner_incarnation) return;
  const { company_id: companyId, id: runId, attempt, claim_id: claimId } = row;
  if ((await context.leases.stateOf(row.runner_incarnation)) === "gone") {
    const { agent_id: agentId, traceparent } = row;
    const fields = runFields({ companyId, agentId, runId, attempt, traceparent });
    context.logger.warn(
      { ...fields, incarnation: row.runner_incarnation },
      "no living runner behind an attempt",
    );
    await context.publisher.publish(
      context.subjects.mailbox(companyId, agentId, "expired"),
      encodePayload({ runId, attempt, claimId }),
      traceparent === null ? {} : { headers: { [headers.traceparent]: traceparent } },
    );
  } else if (row.phase === "cancelling") {
    const reason = row.cancel_reason ?? "Cancelled by control plane";
    context.perform([
      { kind: "control", order: "cancel", companyId, runId, attempt, claimId, reason },
    ]);
  } else if (row.finish_requested) {
    const reason = "the final word was reported";
    context.perform([
      { kind: "control", order: "finish", companyId, runId, attempt, claimId, reason },
    ]);
  }
}

/** (d) Owed: released again, and granted again while the granted one is undecided. */
function passOn(context: ReconcileContext, row: Row): void {
  if (!row.issue_id) return;
  const deferred = row.phase === "deferred";
  context.perform([
    {
      kind: "release",
      companyId: row.company_id,
      issueId: row.issue_id,
      runId: deferred ? runIdOfWake(row.company_id, row.agent_id, row.wake_id) : row.id,
      owner: deferred ? "wake" : "run",
      ownerId: row.id,
      // A live run may take the lock again by a message that this look at Postgres has not seen applied.
      notAfter:
        deferred || row.phase === "over"
          ? null
          : { generation: row.cursor_generation, sequence: Number(row.cursor_seq) },
    },
  ]);
}

/** (e) A waiter: its entry is there, its holder lives; when it turns out to be the holder, it is told. */
async function checkWaiter(context: ReconcileContext, row: Row): Promise<void> {
  const entry = entryOf(row);
  const { outcome, replaced } = await context.locks.acquire(row.issue_id!, entry);
  tell(context, row.issue_id!, outcome === "held" ? entry : replaced);
}

/** Whoever was made holder learns it by its mailbox. */
function tell(context: ReconcileContext, issueId: string, holder: LockEntry | null): void {
  if (holder) context.perform([grantTo(issueId, holder)]);
}

/** Tells a holder by its mailbox; telling twice is deciding nothing the second time. */
export function grantTo(issueId: string, holder: LockEntry): Effect {
  const { companyId, agentId, runId, requestId: wakeId } = holder;
  return { kind: "grant", companyId, agentId, issueId, runId, wakeId };
}

const entryOf = (row: Row): LockEntry => ({
  runId: row.phase === "deferred" ? runIdOfWake(row.company_id, row.agent_id, row.wake_id) : row.id,
  requestId: row.wakeup_request_id,
  companyId: row.company_id,
  agentId: row.agent_id,
  partition: row.partition,
  generation: row.generation,
  sequence: Number(row.stream_seq),
  requestedAtMs: row.created_at.getTime(),
});
