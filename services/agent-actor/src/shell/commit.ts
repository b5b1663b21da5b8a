/**
 * Commits a batch: every row it decided and the cursors of its partitions, in one statement, so in one
 * transaction without a second round trip. It ends with the fence: each cursor moves only where the
 * epoch is still ours and the cursor is where we left it; fewer rows than partitions raise an error
 * and nothing is written. A host that freezes anywhere leaves no transaction open behind it.
 *
 * Crash points: before the statement nothing happened and the messages come again; after it they are
 * skipped by the cursor. When the connection breaks in between, the cursor itself tells which it was.
 */
import { insertRecords, updateRecords } from "@reveille/shared/postgres/recordset";
import * as schema from "@reveille/shared/postgres/schema";
import { guarded, sqlFailure } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import { RuntimeError } from "@reveille/shared/errors";
import { tableKeys } from "./row-set.js";
import type { RowSet } from "./row-set.js";

export interface CursorMove {
  partition: number;
  epoch: number;
  fromSeq: number;
  toSeq: number;
  toNs: bigint;
}
export type Committed =
  | { kind: "committed" }
  /**
   * An earlier statement of the same batch was written after all. It may have been decided on other facts: what
   * was decided now is void.
   */
  | { kind: "overtaken" }
  /** One of the partitions is somebody else's now. */
  | { kind: "fenced" }
  /** Another run holds this issue: the wake is decided again as deferred. */
  | { kind: "issue-held"; issueId: string }
  /** The data will never fit: the culprit has to be found. */
  | { kind: "rejected"; reason: string }
  /** Not now; nothing is known to be written. */
  | { kind: "unavailable"; reason: string };

/** Names of columns in a row, as text: a list of this length reads better without quotes. */
const names = (text: string): string[] => text.trim().split(/\s+/);

const wakeKeys =
  names(`id companyId agentId source triggerDetail reason payload status waits coalescedCount
  requestedByActorType requestedByActorId idempotencyKey runId requestedAt claimedAt finishedAt error wakeId partition
  issueId taskKey contextSnapshot generation streamSeq owesRelease traceparent createdAt updatedAt`);
const wakeChanges =
  names(`status waits reason runId claimedAt finishedAt error coalescedCount contextSnapshot
  owesRelease updatedAt`);
const liveKeys =
  names(`status phase live active attempt losses claimId runnerIncarnation runnerId sealKey holdsIssue
  dispatchedAt notBefore reported finishRequested sessionIdBefore
  startedAt cancelReason cancelRequestedAt lastEventSeq progressSeen logStore logRef updatedAt`);
const endKeys =
  names(`finishedAt error errorCode exitCode signal usageJson resultJson sessionIdAfter logBytes logSha256
  logCut logCompressed stdoutExcerpt stderrExcerpt containment`);
const newRunKeys = names(`id companyId agentId invocationSource triggerDetail wakeupRequestId
  contextSnapshot issueId taskKey partition pool retryOfRunId retryNumber
  wakeId generation streamSeq traceparent createdAt owesRelease`);
const eventKeys = names(
  "companyId runId agentId seq eventType stream level color message payload createdAt",
);
const verdictKeys = names("agentId wakeId companyId verdict idempotencyKey runId createdAt");
const costKeys =
  names(`id companyId agentId issueId projectId goalId billingCode runId provider model inputTokens outputTokens cachedInputTokens
  costCents costMicros occurredAt`);
/** A run's cost goes to the project of its issue; without one, to the project that its context names. */
const projectOfCost = `case when x."runId" is null then x."projectId"
  else coalesce((select i.project_id from issues i where i.id = x."issueId"), x."projectId") end`;
const deadKeys = names(
  "companyId agentId partition generation streamSeq kind stage reason payloadBase64",
);
/** Written only where a record has a value; everything else of a live run is written as it is. */
const runKeeps = ["contextSnapshot", "owesRelease"];

const runtimeUpsert = `insert into agent_runtime_state as s (agent_id, company_id, adapter_type, session_id, last_run_id,
    last_run_status, last_error, total_input_tokens, total_output_tokens, total_cached_input_tokens, total_cost_micros,
    total_cost_cents, updated_at)
  select "agentId", "companyId", "adapterType", "sessionId", "lastRunId", "lastRunStatus", "lastError",
    coalesce("inputTokens", 0), coalesce("outputTokens", 0), coalesce("cachedInputTokens", 0), coalesce("costMicros", 0),
    round(coalesce("costMicros", 0) / 10000.0), "updatedAt"
  from json_to_recordset($10::json) as x("agentId" uuid, "companyId" uuid, "adapterType" text, "sessionId" text,
    "lastRunId" uuid, "lastRunStatus" text, "lastError" text, "inputTokens" bigint, "outputTokens" bigint,
    "cachedInputTokens" bigint, "costMicros" bigint, "updatedAt" timestamptz)
  on conflict (agent_id) do update set adapter_type = excluded.adapter_type, session_id = excluded.session_id,
    last_run_id = coalesce(excluded.last_run_id, s.last_run_id),
    last_run_status = coalesce(excluded.last_run_status, s.last_run_status), last_error = excluded.last_error,
    total_input_tokens = s.total_input_tokens + excluded.total_input_tokens,
    total_output_tokens = s.total_output_tokens + excluded.total_output_tokens,
    total_cached_input_tokens = s.total_cached_input_tokens + excluded.total_cached_input_tokens,
    total_cost_micros = s.total_cost_micros + excluded.total_cost_micros,
    total_cost_cents = round((s.total_cost_micros + excluded.total_cost_micros) / 10000.0), updated_at = excluded.updated_at`;

const issueUpdate = `update issues t set
    execution_run_id = x."executionRunId", execution_agent_name_key = x."executionAgentNameKey",
    execution_locked_at = to_timestamp(x."executionLockedAtMs" / 1000.0)
  from json_to_recordset($11::json) as x(id uuid, "executionRunId" uuid, "executionAgentNameKey" text,
    "executionLockedAtMs" double precision, "endedRunId" uuid)
  where t.id = x.id and (x."endedRunId" is null or t.execution_run_id = x."endedRunId")`;

/** Columns of the profile: a key that is there is written, null included. */
const profileChanges = [
  ["role", "->>'role'"],
  ["title", "->>'title'"],
  ["icon", "->>'icon'"],
  ["reportsTo", "->>'reportsTo'"],
  ["capabilities", "->>'capabilities'"],
  ["metadata", "->'metadata'"],
  ["permissions", "->'permissions'"],
]
  .map(([key, read]) => {
    const column = key === "reportsTo" ? "reports_to" : key;
    const value = key === "reportsTo" ? `(x.profile${read})::uuid` : `x.profile${read}`;
    const shown = key === "metadata" ? `nullif(${value}, 'null'::jsonb)` : value;
    return `${column} = case when x.profile ? '${key}' then ${shown} else t.${column} end`;
  })
  .join(", ");

const agentUpdate = `update agents t set status = coalesce(x.status, t.status), name = coalesce(x.name, t.name),
    adapter_type = coalesce(x."adapterType", t.adapter_type), adapter_config = coalesce(x."adapterConfig", t.adapter_config),
    runtime_config = coalesce(x."runtimeConfig", t.runtime_config),
    last_heartbeat_at = coalesce(x."lastHeartbeatAt", t.last_heartbeat_at),
    next_timer_at = case when x."timerChanged" then x."nextTimerAt" else t.next_timer_at end,
    next_retry_at = case when x."retryChanged" then x."nextRetryAt" else t.next_retry_at end,
    budget_monthly_cents = coalesce(x."budgetMonthlyCents", t.budget_monthly_cents),
    spent_monthly_micros = coalesce(x."spentMonthlyMicros", t.spent_monthly_micros),
    spent_monthly_cents = coalesce(round(x."spentMonthlyMicros" / 10000.0)::int, t.spent_monthly_cents),
    spend_month = coalesce(x."spendMonth", t.spend_month),
    pause_reason = case when x."pauseChanged" then x."pauseReason" else t.pause_reason end,
    paused_at = case when x."pauseChanged" then x."pausedAt" else t.paused_at end,
    failure_code = case when x."failureChanged" then x."failureCode" else t.failure_code end,
    failure_count = case when x."failureChanged" then coalesce(x."failureCount", 0) else t.failure_count end,
    delete_requested_at = coalesce(x."deleteRequestedAt", t.delete_requested_at),
    deleted_at = coalesce(x."deletedAt", t.deleted_at),
    ${profileChanges}, updated_at = now()
  from json_to_recordset($9::json) as x(id uuid, status text, name text, "adapterType" text, "adapterConfig" jsonb,
    "runtimeConfig" jsonb, "lastHeartbeatAt" timestamptz, "nextTimerAt" timestamptz, "timerChanged" boolean, "nextRetryAt" timestamptz,
    "retryChanged" boolean, "budgetMonthlyCents" int, "spentMonthlyMicros" bigint, "spendMonth" text, "pauseChanged" boolean,
    "pauseReason" text, "pausedAt" timestamptz, "failureChanged" boolean, "failureCode" text, "failureCount" int,
    "deleteRequestedAt" timestamptz, "deletedAt" timestamptz, profile jsonb)
  where t.id = x.id`;

const sessionRecord = `json_to_recordset($13::json) as x("agentId" uuid, "companyId" uuid, "adapterType" text, "taskKey" text,
    params jsonb, "displayId" text, "lastRunId" uuid, "lastError" text, "updatedAt" timestamptz, gone boolean)`;

const sessionDelete = `delete from agent_task_sessions t using ${sessionRecord} where x.gone and t.company_id = x."companyId"
    and t.agent_id = x."agentId" and t.adapter_type = x."adapterType" and t.task_key = x."taskKey"`;

/** A row that the batch writes again is left to the upsert: one statement changes a row once. */
const sessionReset = `delete from agent_task_sessions t
    using json_to_recordset($14::json) as y("agentId" uuid, "companyId" uuid)
    where t.company_id = y."companyId" and t.agent_id = y."agentId" and not exists (
      select 1 from ${sessionRecord} where x.gone is not true and t.agent_id = x."agentId"
        and t.adapter_type = x."adapterType" and t.task_key = x."taskKey")`;

const sessionUpsert = `insert into agent_task_sessions as s (company_id, agent_id, adapter_type, task_key, session_params_json,
    session_display_id, last_run_id, last_error, created_at, updated_at)
  select "companyId", "agentId", "adapterType", "taskKey", params, "displayId", "lastRunId", "lastError", "updatedAt", "updatedAt"
  from ${sessionRecord} where gone is not true
  on conflict (company_id, agent_id, adapter_type, task_key) do update set session_params_json = excluded.session_params_json,
    session_display_id = excluded.session_display_id, last_run_id = excluded.last_run_id, last_error = excluded.last_error,
    updated_at = excluded.updated_at`;

const fence = `update partitions p set cursor_seq = x."toSeq", cursor_ns = x."toNs"
  from json_to_recordset($15::json) as x(partition int, epoch bigint, "fromSeq" bigint, "toSeq" bigint, "toNs" bigint)
  where p.partition = x.partition and p.epoch = x.epoch and p.cursor_seq = x."fromSeq" returning 1`;

/** The parameters are the tables of `tableKeys` in their order, then the cursors and their number. */
const statement = {
  name: "commit_batch",
  text: `with
    new_wakes as (${insertRecords(schema.agentWakeupRequests, wakeKeys, "$1")}),
    changed_wakes as (${updateRecords(schema.agentWakeupRequests, { id: "id", keep: wakeChanges }, "$2")}),
    new_runs as (${insertRecords(schema.heartbeatRuns, [...newRunKeys, ...liveKeys, ...endKeys], "$3")}),
    changed_runs as (${updateRecords(schema.heartbeatRuns, { id: "id", set: liveKeys, keep: runKeeps }, "$4")}),
    ended_runs as (${updateRecords(schema.heartbeatRuns, { id: "id", set: [...liveKeys, ...endKeys], keep: runKeeps }, "$5")}),
    new_events as (${insertRecords(schema.heartbeatRunEvents, eventKeys, "$6")}),
    new_verdicts as (${insertRecords(schema.wakeVerdicts, verdictKeys, "$7")}),
    new_costs as (${insertRecords(schema.costEvents, costKeys, "$8", { projectId: projectOfCost })}),
    changed_agents as (${agentUpdate}),
    runtime as (${runtimeUpsert}),
    changed_issues as (${issueUpdate}),
    dead as (${insertRecords(schema.deadLetters, deadKeys, "$12")}),
    gone_sessions as (${sessionDelete}),
    reset_sessions as (${sessionReset}),
    kept_sessions as (${sessionUpsert}),
    moved as (${fence})
    select reveille_fence((select count(*) from moved), $16)`,
};

/**
 * Writes the batch or nothing. Never throws for what Postgres says. `again`: an earlier statement of this batch
 * has no known end, so cursors that moved do not tell which of the two it was.
 */
export async function commitBatch(
  pool: Sql,
  rows: RowSet,
  cursors: readonly CursorMove[],
  again = false,
): Promise<Committed> {
  const { tables } = rows;
  const moves = cursors.map((cursor) => ({ ...cursor, toNs: cursor.toNs.toString() }));
  const values = [
    ...tableKeys.map((key) => JSON.stringify(tables[key])),
    JSON.stringify(moves),
    cursors.length,
  ];
  try {
    await pool.query({ ...statement, values });
    return { kind: "committed" };
  } catch (error) {
    const outcome = await afterFailure(pool, error, cursors);
    return outcome.kind === "committed" && again ? { kind: "overtaken" } : outcome;
  }
}

async function afterFailure(
  pool: Sql,
  error: unknown,
  cursors: readonly CursorMove[],
): Promise<Committed> {
  const failure = sqlFailure(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (failure.kind === "unique") {
    const issueId = /\(issue_id\)=\(([0-9a-f-]{36})\)/.exec(failure.detail)?.[1];
    return failure.constraint === "runs_issue_holder" && issueId
      ? { kind: "issue-held", issueId }
      : { kind: "rejected", reason: `${failure.constraint}: ${failure.detail}` };
  }
  if (failure.kind === "rejected") {
    if (failure.code !== "RV001")
      return { kind: "rejected", reason: `${failure.code}: ${failure.message}` };
    return (await wasCommitted(pool, cursors)) ? { kind: "overtaken" } : { kind: "fenced" };
  }
  try {
    return (await wasCommitted(pool, cursors))
      ? { kind: "committed" }
      : { kind: "unavailable", reason };
  } catch (again) {
    if (again instanceof RuntimeError) return { kind: "unavailable", reason };
    throw again;
  }
}

/**
 * Did a statement whose answer was lost take effect? Its cursors moved together with its rows, and
 * nobody else moves them under this epoch.
 */
async function wasCommitted(pool: Sql, cursors: readonly CursorMove[]): Promise<boolean> {
  const first = cursors[0];
  if (!first) return false;
  const found = await guarded("cursor check", () =>
    pool.query<{ moved: boolean }>({
      name: "was_committed",
      text: "select cursor_seq = $3 and cursor_ns = $4 as moved from partitions where partition = $1 and epoch = $2",
      values: [first.partition, first.epoch, first.toSeq, first.toNs.toString()],
    }),
  );
  return found.rows[0]?.moved ?? false;
}
