// Owns what a batch changes of agents' totals and of the issues that runs hold.
import type { StatementContext } from "../store.js";
import { fromJson, rounded } from "../value.js";

type Json = Record<string, unknown>;

const text = (record: Json, key: string): string | null =>
  fromJson("text", record[key]) as string | null;
const id = (record: Json, key: string): string | null =>
  fromJson("uuid", record[key]) as string | null;
const count = (record: Json, key: string): number => Number(fromJson("bigint", record[key]) ?? 0);

/** Totals are added up; a last run is forgotten only for another one. */
export function upsertRuntime({ tables }: StatementContext, records: readonly Json[]): void {
  const table = tables.agent_runtime_state;
  for (const record of records) {
    const fresh = {
      agent_id: id(record, "agentId")!,
      company_id: id(record, "companyId")!,
      adapter_type: text(record, "adapterType")!,
      session_id: text(record, "sessionId"),
      last_run_id: id(record, "lastRunId"),
      last_run_status: text(record, "lastRunStatus"),
      last_error: text(record, "lastError"),
      total_input_tokens: count(record, "inputTokens"),
      total_output_tokens: count(record, "outputTokens"),
      total_cached_input_tokens: count(record, "cachedInputTokens"),
      total_cost_micros: count(record, "costMicros"),
      total_cost_cents: rounded(count(record, "costMicros") / 10_000),
      updated_at: fromJson("timestamptz", record["updatedAt"]) as number,
    };
    const known = table.get(fresh.agent_id);
    if (!known) {
      table.insert(fresh);
      continue;
    }
    const total_cost_micros = known.total_cost_micros + fresh.total_cost_micros;
    table.update(known, {
      adapter_type: fresh.adapter_type,
      session_id: fresh.session_id,
      last_run_id: fresh.last_run_id ?? known.last_run_id,
      last_run_status: fresh.last_run_status ?? known.last_run_status,
      last_error: fresh.last_error,
      total_input_tokens: known.total_input_tokens + fresh.total_input_tokens,
      total_output_tokens: known.total_output_tokens + fresh.total_output_tokens,
      total_cached_input_tokens: known.total_cached_input_tokens + fresh.total_cached_input_tokens,
      total_cost_micros,
      total_cost_cents: rounded(total_cost_micros / 10_000),
      updated_at: fresh.updated_at,
    });
  }
}

/** The end of a run clears an issue only where it is that run's still. */
export function updateIssues({ tables }: StatementContext, records: readonly Json[]): void {
  for (const record of records) {
    const issue = tables.issues.get(record["id"]);
    const ended = id(record, "endedRunId");
    if (!issue || (ended !== null && issue.execution_run_id !== ended)) continue;
    tables.issues.update(issue, {
      execution_run_id: id(record, "executionRunId"),
      execution_agent_name_key: text(record, "executionAgentNameKey"),
      execution_locked_at: fromJson("float8", record["executionLockedAtMs"]) as number | null,
    });
  }
}
