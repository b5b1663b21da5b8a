/** Reads agents with what lives of them, in one statement for any number of agents. */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import { runIdOfWake } from "@reveille/shared/protocol/ids";
import type { Session } from "@reveille/shared/protocol/session";
import { timeOf } from "@reveille/shared/protocol/time";
import type { WakeSource } from "@reveille/shared/protocol/wake";
import { readPolicy } from "../core/policy.js";
import { sessionKey } from "../core/state.js";
import type {
  AgentFacts,
  AgentState,
  Json,
  Reported,
  RunPhase,
  RunState,
  WaitState,
} from "../core/state.js";

const statement = {
  name: "load_agents",
  text: `select a.id, a.company_id, a.name, a.status, a.adapter_type, a.adapter_config, a.runtime_config, a.partition,
    a.last_heartbeat_at, a.next_timer_at, a.next_retry_at, a.budget_monthly_cents, a.spent_monthly_micros, a.spend_month,
    a.pause_reason, a.failure_code, a.failure_count, a.delete_requested_at, s.session_id,
    (select json_agg(json_build_object('type', t.adapter_type, 'key', t.task_key, 'params', t.session_params_json,
        'displayId', t.session_display_id)) from agent_task_sessions t
      where t.company_id = a.company_id and t.agent_id = a.id and t.task_key in (
        select l.task_key from heartbeat_runs l where l.company_id = a.company_id and l.agent_id = a.id and l.live
        union select d.task_key from agent_wakeup_requests d where d.agent_id = a.id and d.waits)) as sessions,
    (select json_agg(r order by r.generation, r.stream_seq) from heartbeat_runs r
      where r.company_id = a.company_id and r.agent_id = a.id and r.live) as runs,
    (select json_agg(w order by w.generation, w.stream_seq) from agent_wakeup_requests w
      where w.agent_id = a.id and w.waits) as waits
    from agents a left join agent_runtime_state s on s.agent_id = a.id
    where a.id = any($1::uuid[]) and a.deleted_at is null`,
};

interface Loaded {
  id: string;
  company_id: string;
  name: string;
  status: AgentFacts["status"];
  adapter_type: string;
  adapter_config: Json;
  runtime_config: Json;
  partition: number;
  last_heartbeat_at: Date | null;
  next_timer_at: Date | null;
  next_retry_at: Date | null;
  budget_monthly_cents: number;
  /** A bigint comes as text. */
  spent_monthly_micros: string;
  spend_month: string | null;
  pause_reason: string | null;
  failure_code: string | null;
  failure_count: number;
  delete_requested_at: Date | null;
  session_id: string | null;
  sessions: { type: string; key: string; params: Json | null; displayId: string | null }[] | null;
  runs: Json[] | null;
  waits: Json[] | null;
}

/** The states of the agents that exist, by id. @throws RuntimeError `StoreUnavailable`. */
export async function loadAgents(
  pool: Sql,
  agentIds: readonly string[],
): Promise<Map<string, AgentState>> {
  if (agentIds.length === 0) return new Map();
  const found = await guarded("load agents", () =>
    pool.query<Loaded>({ ...statement, values: [agentIds] }),
  );
  return new Map(found.rows.map((row) => [row.id, stateOf(row)]));
}

const stateOf = (row: Loaded): AgentState => ({
  agent: {
    id: row.id,
    companyId: row.company_id,
    name: row.name,
    status: row.status,
    adapterType: row.adapter_type,
    adapterConfig: row.adapter_config,
    runtimeConfig: row.runtime_config,
    partition: row.partition,
    lastHeartbeatAtMs: row.last_heartbeat_at?.getTime() ?? null,
    nextTimerAtMs: row.next_timer_at?.getTime() ?? null,
    nextRetryAtMs: row.next_retry_at?.getTime() ?? null,
    budgetMonthlyCents: row.budget_monthly_cents,
    spend: { month: row.spend_month, micros: Number(row.spent_monthly_micros) },
    pauseReason: row.pause_reason,
    failure:
      row.failure_code === null ? null : { code: row.failure_code, count: row.failure_count },
    deleteRequestedAtMs: row.delete_requested_at?.getTime() ?? null,
    deletedAtMs: null,
  },
  policy: readPolicy(row.runtime_config),
  runs: (row.runs ?? []).map(runOf),
  waits: (row.waits ?? []).map(waitOf),
  sessionId: row.session_id,
  taskSessions: taskSessionsOf(row),
});

/** Those of the tasks that something lives for; a task of them without a row is known to have none. */
function taskSessionsOf(row: Loaded): AgentState["taskSessions"] {
  const sessions = new Map<string, Session | null>();
  for (const { task_key } of [...(row.runs ?? []), ...(row.waits ?? [])])
    if (typeof task_key === "string") sessions.set(sessionKey(row.adapter_type, task_key), null);
  for (const { type, key, params, displayId } of row.sessions ?? [])
    sessions.set(sessionKey(type, key), { params, displayId });
  return sessions;
}

// Rows of json_agg have the columns' names; the schema vouches for their types.
const text = (row: Json, key: string): string | null => row[key] as string | null;

const runOf = (row: Json): RunState => ({
  id: row["id"] as string,
  wakeRequestId: row["wakeup_request_id"] as string,
  wakeId: row["wake_id"] as string,
  phase: row["phase"] as RunPhase,
  source: row["invocation_source"] as WakeSource,
  triggerDetail: text(row, "trigger_detail"),
  context: (row["context_snapshot"] as Json | null) ?? {},
  issueId: text(row, "issue_id"),
  taskKey: text(row, "task_key"),
  pool: row["pool"] as string,
  attempt: row["attempt"] as number,
  losses: row["losses"] as number,
  claim:
    row["claim_id"] === null
      ? null
      : {
          claimId: row["claim_id"] as string,
          incarnation: row["runner_incarnation"] as string,
          runnerId: text(row, "runner_id") ?? "",
          sealKey: text(row, "seal_key"),
        },
  holdsIssue: row["holds_issue"] as boolean,
  cancel:
    row["cancel_requested_at"] === null
      ? null
      : {
          reason: text(row, "cancel_reason") ?? "Cancelled by control plane",
          atMs: timeOf(text(row, "cancel_requested_at"))!,
        },
  createdAtMs: timeOf(text(row, "created_at"))!,
  updatedAtMs: timeOf(text(row, "updated_at"))!,
  dispatchedAtMs: timeOf(text(row, "dispatched_at")),
  startedAtMs: timeOf(text(row, "started_at")),
  position: { generation: row["generation"] as number, sequence: row["stream_seq"] as number },
  lastEventSeq: row["last_event_seq"] as number,
  progressSeen: row["progress_seen"] as number,
  sessionIdBefore: text(row, "session_id_before"),
  retryOfRunId: text(row, "retry_of_run_id"),
  retryNumber: row["retry_number"] as number,
  notBeforeMs: timeOf(text(row, "not_before")),
  reported: row["reported"] as Reported | null,
  finishRequested: row["finish_requested"] as boolean,
  traceparent: text(row, "traceparent"),
});

const waitOf = (row: Json): WaitState => ({
  requestId: row["id"] as string,
  wakeId: row["wake_id"] as string,
  runId: runIdOfWake(
    row["company_id"] as string,
    row["agent_id"] as string,
    row["wake_id"] as string,
  ),
  issueId: row["issue_id"] as string,
  source: row["source"] as WakeSource,
  triggerDetail: text(row, "trigger_detail"),
  reason: text(row, "reason"),
  context: (row["context_snapshot"] as Json | null) ?? {},
  taskKey: text(row, "task_key"),
  requestedAtMs: timeOf(text(row, "requested_at"))!,
  position: { generation: row["generation"] as number, sequence: row["stream_seq"] as number },
  coalescedCount: row["coalesced_count"] as number,
  traceparent: text(row, "traceparent"),
});
