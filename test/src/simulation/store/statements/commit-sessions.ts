// Owns what a batch changes of task sessions: those that it writes, those that are gone, and agents that lose all of theirs.
import type { StatementContext } from "../store.js";
import type { Tables } from "../tables.js";
import { fromJson } from "../value.js";

type Json = Record<string, unknown>;
type SessionRow = ReturnType<Tables["agent_task_sessions"]["insert"]>;

const written = (record: Json): boolean => record["gone"] !== true;
const find = ({ tables }: StatementContext, record: Json): SessionRow | undefined =>
  tables.agent_task_sessions.by(
    "agent_task_sessions_key",
    record["companyId"],
    record["agentId"],
    record["adapterType"],
    record["taskKey"],
  )[0];

export function upsertSessions(context: StatementContext, records: readonly Json[]): void {
  const table = context.tables.agent_task_sessions;
  for (const record of records.filter(written)) {
    const updated_at = fromJson("timestamptz", record["updatedAt"]) as number;
    const changes = {
      session_params_json: fromJson("jsonb", record["params"]) as SessionRow["session_params_json"],
      session_display_id: fromJson("text", record["displayId"]) as string | null,
      last_run_id: fromJson("uuid", record["lastRunId"]) as string | null,
      last_error: fromJson("text", record["lastError"]) as string | null,
      updated_at,
    };
    const known = find(context, record);
    if (known) table.update(known, changes);
    else
      table.insert({
        ...changes,
        company_id: fromJson("uuid", record["companyId"]) as string,
        agent_id: fromJson("uuid", record["agentId"]) as string,
        adapter_type: fromJson("text", record["adapterType"]) as string,
        task_key: fromJson("text", record["taskKey"]) as string,
        created_at: updated_at,
      });
  }
}

/** Every session of these agents, but for those that the batch writes. */
export function resetSessions(
  { tables }: StatementContext,
  records: readonly Json[],
  agents: readonly Json[],
): void {
  const table = tables.agent_task_sessions;
  const stays = (row: SessionRow): boolean =>
    records.some(
      (record) =>
        written(record) &&
        record["agentId"] === row.agent_id &&
        record["adapterType"] === row.adapter_type &&
        record["taskKey"] === row.task_key,
    );
  for (const { agentId, companyId } of agents)
    for (const row of table.by("of_agent", agentId))
      if (row.company_id === companyId && !stays(row)) table.delete(row);
}

export function deleteSessions(context: StatementContext, records: readonly Json[]): void {
  for (const record of records.filter((session) => !written(session))) {
    const row = find(context, record);
    if (row) context.tables.agent_task_sessions.delete(row);
  }
}
