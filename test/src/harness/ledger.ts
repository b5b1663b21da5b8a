// Owns what must be true of the record when a system has come to rest, as questions to Postgres whose answer has to be empty. Knows the
// tables, not how rows come about.
import type pg from "pg";

interface Rule {
  name: string;
  sql: string;
}

const rules: readonly Rule[] = [
  {
    name: "a wake that is not over",
    sql: `select id, status, reason from agent_wakeup_requests
      where status not in ('completed', 'failed', 'cancelled', 'timed_out', 'coalesced', 'skipped') or finished_at is null`,
  },
  {
    name: "a run that is not over",
    sql: `select id, status, phase, attempt, issue_id from heartbeat_runs
      where phase <> 'over' or status not in ('succeeded', 'failed', 'cancelled', 'timed_out') or finished_at is null`,
  },
  {
    name: "a run and its wake that end differently",
    sql: `select r.id, r.status, w.status as wake from heartbeat_runs r join agent_wakeup_requests w on w.id = r.wakeup_request_id
      where w.status <> case r.status when 'succeeded' then 'completed' else r.status end`,
  },
  {
    name: "a verdict that promises a run without one",
    sql: `select v.wake_id from wake_verdicts v left join heartbeat_runs r on r.id = v.run_id
      where v.verdict ->> 'outcome' = 'queued' and r.id is null`,
  },
  {
    name: "events not numbered 1 to n",
    sql: `select run_id, min(seq), max(seq), count(*) from heartbeat_run_events group by run_id
      having min(seq) <> 1 or max(seq) <> count(*) or count(distinct seq) <> count(*)`,
  },
  {
    name: "not one closing event, the last and with the run's status, or with the error that is its result",
    sql: `select r.id, r.status, array_agg(e.message order by e.seq) as events from heartbeat_runs r
      left join heartbeat_run_events e on e.run_id = r.id group by r.id, r.status
      having count(*) filter (where e.message = 'run ' || r.status or e.event_type = 'error') <> 1
        or (array_agg(e.message order by e.seq desc))[1] is distinct from 'run ' || r.status
          and (r.status <> 'failed' or (array_agg(e.event_type order by e.seq desc))[1] is distinct from 'error')`,
  },
  {
    name: "a lock that is still owed or held",
    sql: `select id from heartbeat_runs where holds_issue or owes_release
      union all select id from agent_wakeup_requests where owes_release
      union all select id from issues where execution_run_id is not null`,
  },
  { name: "a dead letter", sql: "select kind, stage, reason from dead_letters" },
  {
    name: "an agent that still shows as running",
    sql: "select id, status from agents where status = 'running'",
  },
];

/** What is wrong at rest; empty when all is well. */
export async function ledgerViolations(database: pg.Pool): Promise<string[]> {
  const found: string[] = [];
  for (const { name, sql } of rules) {
    const { rows, rowCount } = await database.query<Record<string, unknown>>(sql);
    if (rows.length > 0)
      found.push(`${rowCount} times ${name}, for example ${JSON.stringify(rows[0])}`);
  }
  return found;
}

/** How far everything is: verdicts, open wakes, runs by phase, marks of owed locks. */
export async function progressOf(database: pg.Pool): Promise<{
  verdicts: number;
  openWakes: number;
  openRuns: number;
  owed: number;
  phases: Record<string, number>;
}> {
  const { rows } = await database.query(`select
    (select count(*)::int from wake_verdicts) as verdicts,
    (select count(*)::int from agent_wakeup_requests where finished_at is null) as "openWakes",
    (select count(*)::int from heartbeat_runs where phase <> 'over') as "openRuns",
    (select count(*)::int from heartbeat_runs where owes_release) + (select count(*)::int from agent_wakeup_requests where owes_release) as owed,
    (select coalesce(json_object_agg(phase, n), '{}') from (select phase || ' ' || status as phase, count(*)::int as n from heartbeat_runs group by 1) p) as phases`);
  return rows[0] as Awaited<ReturnType<typeof progressOf>>;
}
