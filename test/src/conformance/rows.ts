// Owns which rows of a company a recording shows, in which order, and which columns never repeat. Reads Postgres; knows no scenario.
import pg from "pg";
import type { Row } from "./client.js";

/** One statement each; `$1` is the company. */
const statements = {
  heartbeat_runs: "select * from heartbeat_runs where company_id = $1 order by created_at, id",
  agent_wakeup_requests:
    "select * from agent_wakeup_requests where company_id = $1 order by requested_at, id",
  heartbeat_run_events: `select e.run_id, e.seq, e.event_type, e.stream, e.level, e.message, e.payload
    from heartbeat_run_events e join heartbeat_runs r on r.id = e.run_id
    where e.company_id = $1 order by r.created_at, e.run_id, e.id`,
  agent_task_sessions: `select agent_id, adapter_type, task_key, session_params_json, session_display_id, last_run_id, last_error
    from agent_task_sessions where company_id = $1 order by task_key, agent_id`,
  agent_runtime_state:
    "select * from agent_runtime_state where company_id = $1 order by created_at",
  agents: `select id, name, status, spent_monthly_cents, last_heartbeat_at
    from agents where company_id = $1 order by created_at`,
  issues: `select id, status, assignee_agent_id, checkout_run_id, execution_run_id, execution_agent_name_key, execution_locked_at
    from issues where company_id = $1 order by created_at`,
  cost_events: `select agent_id, issue_id, provider, model, input_tokens, output_tokens, cost_cents
    from cost_events where company_id = $1 order by created_at`,
} as const;

export type Table = keyof typeof statements;
export type Rows = Record<Table, Row[]>;

export interface RowReader {
  of(companyId: string): Promise<Rows>;
  close(): Promise<void>;
}

/** Big integers are read as text, as the recordings have them. */
const types = {
  getTypeParser: (oid: number, format?: "text" | "binary") =>
    oid === pg.types.builtins.INT8
      ? (value: string) => value
      : (pg.types.getTypeParser(oid, format as "text") as (value: string) => unknown),
};

/** Four connections: as many as scenarios ask at once. */
export function openRows(databaseUrl: string): RowReader {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 4, types });
  return {
    of: async (companyId) => {
      const entries = Object.entries(statements).map(
        async ([table, sql]): Promise<[string, Row[]]> => [
          table,
          (await pool.query<Row>(sql, [companyId])).rows,
        ],
      );
      return Object.fromEntries(await Promise.all(entries)) as Rows;
    },
    close: () => pool.end(),
  };
}
