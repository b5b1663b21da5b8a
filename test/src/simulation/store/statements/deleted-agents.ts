// Owns the statements that remove what is left of deleted agents, step by step.
import type { Handler } from "../store.js";
import type { Table } from "../table.js";
import type { Tables } from "../tables.js";
import { answer, changed, monthOf, numberOf, sorted, textOf } from "./parameters.js";
import { removeSome } from "./retention.js";

/** Runs whose events are removed together, as in the statement. */
const runsMax = 500;

const pending: Handler = ({ tables }, values) =>
  answer(
    sorted(
      tables.agents.where((row) => row.deleted_at !== null && row.delete_requested_at !== null),
      (row) => row.deleted_at!,
    )
      .slice(0, numberOf(values, 0))
      .map(({ id }) => ({ id })),
  );

/** Of runs that owe no release, oldest first. */
const settledRuns = ({ heartbeat_runs }: Tables, agentId: string) =>
  sorted(
    heartbeat_runs.by("of_agent", agentId).filter((row) => !row.owes_release),
    (row) => row.created_at,
  );

const removeEvents: Handler = ({ tables }, values) => {
  const { heartbeat_run_events: events } = tables;
  const runs = settledRuns(tables, textOf(values, 0)).slice(0, runsMax);
  const rows = runs.flatMap(({ id }) => events.by("of_run", id));
  return changed(removeSome(events, rows, numberOf(values, 1)));
};

const removeRuns: Handler = ({ tables }, values) => {
  const { heartbeat_runs: runs, heartbeat_run_events: events } = tables;
  const bare = settledRuns(tables, textOf(values, 0)).filter(
    ({ id }) => events.by("of_run", id).length === 0,
  );
  return changed(removeSome(runs, bare, Math.min(numberOf(values, 1), runsMax)));
};

const removeOf =
  <Row extends { agent_id: string }>(
    tableOf: (tables: Tables) => Table<Row>,
    settled: (row: Row) => boolean = () => true,
  ): Handler =>
  ({ tables }, values) => {
    const table = tableOf(tables);
    const rows = table.where((row) => row.agent_id === values[0] && settled(row));
    return changed(removeSome(table, rows, numberOf(values, 1)));
  };

const emptied: Handler = ({ tables }, values) => {
  const id = textOf(values, 0);
  const agent = tables.agents.get(id);
  const left =
    tables.heartbeat_runs.by("of_agent", id).length > 0 ||
    tables.agent_wakeup_requests.by("of_agent", id).length > 0 ||
    tables.agent_api_keys.some((row) => row.agent_id === id);
  if (!agent || left) return changed(0);
  tables.agents.update(agent, { delete_requested_at: null });
  return changed(1);
};

const removeAgents: Handler = ({ tables, nowMs }, values) => {
  const gone = tables.agents.where(
    (row) =>
      row.deleted_at !== null &&
      row.delete_requested_at === null &&
      (row.spend_month === null || row.spend_month < monthOf(nowMs)),
  );
  return changed(removeSome(tables.agents, gone, numberOf(values, 0)));
};

export const deletionHandlers: Record<string, Handler> = {
  deleted_agents: pending,
  remove_agent_events: removeEvents,
  remove_agent_runs: removeRuns,
  remove_agent_wakeup_requests: removeOf(
    (tables) => tables.agent_wakeup_requests,
    (row) => !row.owes_release,
  ),
  remove_wake_verdicts: removeOf((tables) => tables.wake_verdicts),
  remove_agent_task_sessions: removeOf((tables) => tables.agent_task_sessions),
  remove_agent_api_keys: removeOf((tables) => tables.agent_api_keys),
  remove_agent_runtime: removeOf((tables) => tables.agent_runtime_state),
  agent_emptied: emptied,
  remove_deleted_agents: removeAgents,
};
