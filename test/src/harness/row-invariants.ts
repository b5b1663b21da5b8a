// Owns what must be true of a run's rows at every instant, also in the middle of everything: questions to Postgres, put in one
// statement so that all are asked of one snapshot. What is only true at rest is in ledger.ts.
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";

const over = "('succeeded', 'failed', 'cancelled', 'timed_out')";

/** Each selects what violates it: `what` is an example. */
const invariants: Readonly<Record<string, string>> = {
  "a run is over and its wake is not, or the other way round": `
    select r.id || ' ' || r.status || ', wake ' || w.status as what from heartbeat_runs r
    join agent_wakeup_requests w on w.id = r.wakeup_request_id
    where (r.status in ${over}) <> (w.finished_at is not null)`,
  "a run and its wake end differently": `
    select r.id || ' ' || r.status || ', wake ' || w.status from heartbeat_runs r
    join agent_wakeup_requests w on w.id = r.wakeup_request_id
    where r.status in ${over} and w.status <> case r.status when 'succeeded' then 'completed' else r.status end`,
  "a time of the end without an end, or an end without its time": `
    select id || ' ' || status from heartbeat_runs where (status in ${over}) <> (finished_at is not null)`,
  "a number of the last event that is not the count of events": `
    select r.id || ' ' || r.last_event_seq || ' of ' || count(e.id) from heartbeat_runs r
    left join heartbeat_run_events e on e.run_id = r.id
    group by r.id having r.last_event_seq <> count(e.id) or max(e.seq) <> count(e.id)`,
  "an end without its closing event, or the event without the end": `
    select r.id || ' ' || r.status || ' ' || coalesce(e.message, e.event_type) from heartbeat_runs r
    join heartbeat_run_events e on e.run_id = r.id and e.seq = r.last_event_seq
    where (r.status in ${over}) <> (e.event_type = 'error' or e.message = 'run ' || r.status)`,
  "a run at work without a start, a log, an event or a claimed wake": `
    select r.id || ' ' || w.status from heartbeat_runs r
    join agent_wakeup_requests w on w.id = r.wakeup_request_id
    where r.status = 'running' and (r.started_at is null or r.log_ref is null or r.last_event_seq < 1
      or w.status <> 'claimed' or w.claimed_at is null)`,
  "an ended run whose log is not sealed": `
    select id || ' ' || status from heartbeat_runs
    where status in ${over} and started_at is not null and (log_bytes is null or log_sha256 is null)`,
  "an ended run with usage and without its cost": `
    select r.id::text from heartbeat_runs r left join cost_events c on c.run_id = r.id
    where r.status in ${over} and r.usage_json is not null
      and (c.id is null or c.input_tokens <> (r.usage_json ->> 'inputTokens')::int)`,
  "a cost of a run that is not over": `
    select r.id || ' ' || r.status from cost_events c join heartbeat_runs r on r.id = c.run_id
    where r.status not in ${over}`,
  "totals of an agent that are not the sum of its runs": `
    select s.agent_id || ' ' || s.total_input_tokens || ' for ' || coalesce(sum(c.input_tokens), 0)
    from agent_runtime_state s left join cost_events c on c.agent_id = s.agent_id
    group by s.agent_id, s.total_input_tokens, s.total_cost_micros
    having s.total_input_tokens <> coalesce(sum(c.input_tokens), 0)
      or s.total_cost_micros <> coalesce(sum(c.cost_micros), 0)`,
  "a spend of an agent that is not the sum of its costs": `
    select a.id || ' ' || a.spent_monthly_micros || ' for ' || coalesce(sum(c.cost_micros), 0)
    from agents a left join cost_events c on c.agent_id = a.id
    group by a.id having a.spent_monthly_micros <> coalesce(sum(c.cost_micros), 0)`,
  "a last run that is not over, or not as it ended": `
    select s.agent_id || ' ' || r.status from agent_runtime_state s join heartbeat_runs r on r.id = s.last_run_id
    where r.status not in ${over} or r.status <> s.last_run_status`,
  "an agent that shows as running without a run, or has one and does not": `
    select a.id || ' ' || a.status from agents a
    where (a.status = 'running') <> exists (
      select 1 from heartbeat_runs r where r.agent_id = a.id and r.status = 'running')`,
  "an issue whose holder is not the run that holds it": `
    select i.id || ' ' || coalesce(i.execution_run_id::text, 'nobody') from issues i
    full join (select * from heartbeat_runs where holds_issue) r on r.issue_id = i.id
    where i.execution_run_id is distinct from r.id`,
};

const statement = Object.entries(invariants)
  .map(([name, sql]) => `select '${name}' as name, what from (${sql}) as x(what)`)
  .join(" union all ");

export interface Watch {
  /** How many snapshots were looked at. */
  readonly looks: number;
  /** What was wrong, each thing once. */
  readonly violations: ReadonlySet<string>;
  stop(): Promise<void>;
}

/** Looks again and again, on a connection of its own, until it is stopped. */
export async function watchRows(databaseUrl: string): Promise<Watch> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const violations = new Set<string>();
  let looks = 0;
  let stopped = false;
  const look = async (): Promise<void> => {
    const { rows } = await client.query<{ name: string; what: string }>(statement);
    for (const { name, what } of rows) violations.add(`${name}: ${what}`);
    looks += 1;
  };
  const watching = (async () => {
    while (!stopped) {
      await look();
      // Leaves the machine to those who are watched: they are to be seen in every state, not only between looks.
      await pause(5);
    }
  })();
  return {
    violations,
    get looks() {
      return looks;
    },
    stop: async () => {
      stopped = true;
      try {
        await watching;
      } finally {
        await client.end();
      }
    },
  };
}
