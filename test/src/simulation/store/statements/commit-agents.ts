// Owns what a batch changes of agents: a value that is there is written, a few are written when their mark says so.
import type { StatementContext } from "../store.js";
import { fromJson, rounded } from "../value.js";
import type { ColumnType } from "../value.js";

type Json = Record<string, unknown>;

/** Written where the record has a value. */
const kept: readonly [column: string, key: string, type: ColumnType][] = [
  ["status", "status", "text"],
  ["name", "name", "text"],
  ["adapter_type", "adapterType", "text"],
  ["adapter_config", "adapterConfig", "jsonb"],
  ["runtime_config", "runtimeConfig", "jsonb"],
  ["last_heartbeat_at", "lastHeartbeatAt", "timestamptz"],
  ["budget_monthly_cents", "budgetMonthlyCents", "integer"],
  ["spent_monthly_micros", "spentMonthlyMicros", "bigint"],
  ["spend_month", "spendMonth", "text"],
  ["delete_requested_at", "deleteRequestedAt", "timestamptz"],
  ["deleted_at", "deletedAt", "timestamptz"],
];
/** Written, NULL included, where the mark is true. */
const marked: readonly [mark: string, column: string, key: string, type: ColumnType][] = [
  ["timerChanged", "next_timer_at", "nextTimerAt", "timestamptz"],
  ["retryChanged", "next_retry_at", "nextRetryAt", "timestamptz"],
  ["pauseChanged", "pause_reason", "pauseReason", "text"],
  ["pauseChanged", "paused_at", "pausedAt", "timestamptz"],
  ["failureChanged", "failure_code", "failureCode", "text"],
];
/** Written, NULL included, where the profile has the key. */
const profile: readonly [column: string, key: string, type: ColumnType][] = [
  ["role", "role", "text"],
  ["title", "title", "text"],
  ["icon", "icon", "text"],
  ["reports_to", "reportsTo", "uuid"],
  ["capabilities", "capabilities", "text"],
  ["metadata", "metadata", "jsonb"],
  ["permissions", "permissions", "jsonb"],
];

export function updateAgents({ tables, nowMs }: StatementContext, records: readonly Json[]): void {
  for (const record of records) {
    const changes: Json = { updated_at: nowMs };
    for (const [column, key, type] of kept) {
      const value = fromJson(type, record[key]);
      if (value !== null) changes[column] = value;
    }
    for (const [mark, column, key, type] of marked) {
      const value = fromJson(type, record[key]);
      if (record[mark] === true) changes[column] = value;
    }
    if (record["failureChanged"] === true) changes["failure_count"] = record["failureCount"] ?? 0;
    const micros = changes["spent_monthly_micros"];
    if (micros !== undefined) changes["spent_monthly_cents"] = rounded(Number(micros) / 10_000);
    const patch = (record["profile"] ?? {}) as Json;
    for (const [column, key, type] of profile)
      if (key in patch) changes[column] = fromJson(type, patch[key]);
    const agent = tables.agents.get(record["id"]);
    if (agent) tables.agents.update(agent, changes);
  }
}
