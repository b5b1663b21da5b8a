/**
 * Removes what is left of deleted agents, in steps that each fit a statement: first what hangs on their
 * runs, then the rest, at last the agent's own row, when the month is over in which its company's spend
 * counts it. What still owes the release of a lock stays until it does not. Costs stay for good. Several
 * hosts may do it at once: what is removed twice is removed.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";

/** Agents looked at in one turn; more wait for the next. */
const agentsMax = 20;
/** Statements in one turn: a second or two of work beside everything else. */
const stepsMax = 100;
/** Runs whose events are removed together. */
const runsMax = 500;
/** Rows removed in one statement. */
const rowsMax = 5_000;

/** By the index of deleted agents; `delete_requested_at` is cleared once nothing of an agent is left. */
const pendingStatement = {
  name: "deleted_agents",
  text: `select id from agents where deleted_at is not null and delete_requested_at is not null
    order by deleted_at limit $1`,
};

/**
 * Each step removes at most `$2` rows of the agent `$1`. The events of a run go before the run, so that a
 * turn that ends in between leaves nothing that nobody finds.
 */
const steps = [
  {
    name: "remove_agent_events",
    text: `delete from heartbeat_run_events where ctid = any(array(
      select e.ctid from heartbeat_run_events e where e.run_id = any(array(
        select id from heartbeat_runs where agent_id = $1 and not owes_release order by created_at limit ${runsMax}))
      limit $2))`,
  },
  {
    name: "remove_agent_runs",
    text: `delete from heartbeat_runs where ctid = any(array(
      select r.ctid from heartbeat_runs r where r.agent_id = $1 and not r.owes_release
        and not exists (select 1 from heartbeat_run_events e where e.run_id = r.id) order by created_at
        limit least($2, ${runsMax})))`,
  },
  ...["agent_wakeup_requests", "wake_verdicts", "agent_task_sessions", "agent_api_keys"].map(
    (table) => ({
      name: `remove_${table}`,
      text: `delete from ${table} where ctid = any(array(select ctid from ${table} where agent_id = $1
        ${table === "agent_wakeup_requests" ? "and not owes_release" : ""} limit $2))`,
    }),
  ),
  {
    name: "remove_agent_runtime",
    text: "delete from agent_runtime_state where agent_id = $1 and $2 > 0",
  },
];

/** Nothing is left: the row waits for its month to end. */
const emptiedStatement = {
  name: "agent_emptied",
  text: `update agents set delete_requested_at = null where id = $1
    and not exists (select 1 from heartbeat_runs where agent_id = $1)
    and not exists (select 1 from agent_wakeup_requests where agent_id = $1)
    and not exists (select 1 from agent_api_keys where agent_id = $1)`,
};

/** Late verdicts are of nobody: they go with all others after their time. */
const goneStatement = {
  name: "remove_deleted_agents",
  text: `delete from agents where ctid = any(array(
    select ctid from agents where deleted_at is not null and delete_requested_at is null
      and (spend_month is null or spend_month < to_char(now() at time zone 'utc', 'YYYY-MM')) limit $1))`,
};

/** One turn. @throws RuntimeError `StoreUnavailable`. */
export async function removeDeletedAgents(pool: Sql): Promise<void> {
  const run = (statement: { name: string; text: string }, values: unknown[]) =>
    guarded("remove a deleted agent", () => pool.query<{ id: string }>({ ...statement, values }));
  const pending = await run(pendingStatement, [agentsMax]);
  let left = stepsMax;
  for (const { id } of pending.rows) {
    // Again and again from the first step, until a round finds nothing more to remove.
    for (let removed = 1; removed > 0 && left > 0;) {
      removed = 0;
      for (const step of steps) removed += (await run(step, [id, rowsMax])).rowCount ?? 0;
      left -= steps.length;
    }
    if (left <= 0) return;
    await run(emptiedStatement, [id]);
  }
  await run(goneStatement, [rowsMax]);
}
