// Owns the statement that reads agents with what lives of them.
import type { Handler } from "../store.js";
import type { Tables } from "../tables.js";
import { toJson } from "../value.js";
import { answer, listOf, sorted } from "./parameters.js";

type AgentRow = ReturnType<Tables["agents"]["insert"]>;
const orNull = <T>(rows: T[]): T[] | null => (rows.length > 0 ? rows : null);

/** `json_agg` of rows in the order of the stream. */
function inOrder<Row extends { generation: number; stream_seq: number }>(
  table: { json(row: Row): object },
  rows: readonly Row[],
): object[] | null {
  const ordered = sorted(
    rows,
    ({ generation }) => generation,
    ({ stream_seq }) => stream_seq,
  );
  return orNull(ordered.map((row) => table.json(row)));
}

function loaded(tables: Tables, agent: AgentRow): object {
  const runs = tables.heartbeat_runs
    .by("live", agent.id)
    .filter(({ company_id }) => company_id === agent.company_id);
  const waits = tables.agent_wakeup_requests.by("waiting", agent.id);
  const tasks = new Set([...runs, ...waits].map(({ task_key }) => task_key));
  const sessions = tables.agent_task_sessions
    .by("of_agent", agent.id)
    .filter((row) => row.company_id === agent.company_id && tasks.has(row.task_key))
    .map((row) => ({
      type: row.adapter_type,
      key: row.task_key,
      params: toJson("jsonb", row.session_params_json),
      displayId: row.session_display_id,
    }));
  return {
    ...tables.agents.pick(agent, ...columns),
    session_id: tables.agent_runtime_state.get(agent.id)?.session_id ?? null,
    sessions: orNull(sessions),
    runs: inOrder(tables.heartbeat_runs, runs),
    waits: inOrder(tables.agent_wakeup_requests, waits),
  };
}

const columns = [
  "id",
  "company_id",
  "name",
  "status",
  "adapter_type",
  "adapter_config",
  "runtime_config",
  "partition",
  "last_heartbeat_at",
  "next_timer_at",
  "next_retry_at",
  "budget_monthly_cents",
  "spent_monthly_micros",
  "spend_month",
  "pause_reason",
  "failure_code",
  "failure_count",
  "delete_requested_at",
] as const;

const loadAgents: Handler = ({ tables }, values) =>
  answer(
    [...new Set(listOf<string>(values, 0))].flatMap((id) => {
      const agent = tables.agents.get(id);
      return agent && agent.deleted_at === null ? [loaded(tables, agent)] : [];
    }),
  );

export const loadHandlers: Record<string, Handler> = { load_agents: loadAgents };
