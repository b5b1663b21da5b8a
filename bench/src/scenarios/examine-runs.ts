/**
 * Was the work done right? Reads a company's wakes and runs after a burst: one run for each wake, all
 * succeeded, and within an agent in the order of the stream, one after the other.
 */
import type { Pool } from "@reveille/shared/postgres/pool";
import { check, type Check } from "../figure.js";

/** Examines a company whose agents take one run at a time and that got `count` wakes of different scopes. */
export async function examineRuns(pool: Pool, companyId: string, count: number): Promise<Check[]> {
  const row = async <Row>(text: string): Promise<Row> =>
    (await pool.query(text, [companyId])).rows[0] as Row;
  const runs = await row<{ runs: number; succeeded: number; wakes: number; repeated: number }>(
    `select count(*)::int as runs, count(*) filter (where status = 'succeeded')::int as succeeded,
       count(distinct (agent_id, wake_id))::int as wakes, count(*) filter (where attempt > 1)::int as repeated
     from heartbeat_runs where company_id = $1`,
  );
  const requests = await row<{ open: number; lettered: number }>(
    `select (select count(*)::int from agent_wakeup_requests
         where company_id = $1 and finished_at is null) as open,
       (select count(*)::int from dead_letters where company_id = $1) as lettered`,
  );
  const order = await row<{ late: number; overlapping: number }>(
    `select count(*) filter (where started_at < before_started)::int as late,
       count(*) filter (where started_at < before_finished)::int as overlapping
     from (select started_at, lag(started_at) over lane as before_started,
         lag(finished_at) over lane as before_finished
       from heartbeat_runs where company_id = $1
       window lane as (partition by agent_id order by generation, stream_seq)) as lanes`,
  );
  return [
    check(
      "every wake ended in exactly one succeeded run",
      runs.runs === count &&
        runs.succeeded === count &&
        runs.wakes === count &&
        requests.open === 0,
      `${runs.succeeded} of ${count} succeeded, ${runs.runs} runs, ${requests.open} wakes open`,
    ),
    check(
      "nothing twice, nothing undecidable",
      runs.repeated === 0 && requests.lettered === 0,
      `${runs.repeated} repeated, ${requests.lettered} dead letters`,
    ),
    check(
      "each agent's runs in order, one at a time",
      order.late === 0 && order.overlapping === 0,
      `${order.late} out of order, ${order.overlapping} overlapping`,
    ),
  ];
}
