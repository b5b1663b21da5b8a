/** I2: an agent never has more runs at work than its `maxConcurrentRuns`. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import { overlapCheck, sweepCheck } from "../witness-sweep.js";
import { withSlot } from "../words.js";

/** As `core/policy.ts` reads it: a whole number of 1 to 10, 1 when it is anything else. */
export const slotsOf = (agent: string): string =>
  `(case when jsonb_typeof(${agent}.runtime_config #> '{heartbeat,maxConcurrentRuns}') = 'number'
    then least(10, greatest(1, floor((${agent}.runtime_config #>> '{heartbeat,maxConcurrentRuns}')::numeric)))::int else 1 end)`;

/**
 * When an agent's configuration was last changed: runs from before it were admitted by other rules, and nothing tells which. Joined as `u`.
 */
export const lastChange = (agent: string): string =>
  `left join (select entity_id, max(created_at) as at from activity_log where action = 'agent.updated' group by entity_id) u
    on u.entity_id = ${agent}.id::text`;

export const slotChecks: readonly Check[] = [
  rowCheck({
    invariant: "I2",
    title: "no agent had more runs at once than slots",
    unit: "started runs",
    population: "heartbeat_runs where started_at is not null",
    violating: `with judged as (
        select r.id, r.agent_id, r.started_at, r.finished_at, ${slotsOf("a")} as slots
        from heartbeat_runs r join agents a on a.id = r.agent_id ${lastChange("a")}
        where r.started_at > coalesce(u.at, '-infinity')),
      moments as (
        select agent_id, slots, started_at as at, 1 as change, id from judged
        union all select agent_id, slots, finished_at, -1, id from judged where finished_at is not null),
      depths as (
        select *, sum(change) over (partition by agent_id order by at, change rows unbounded preceding)::int as depth from moments)
      select agent_id as "agentId", id as "runId", at, depth as "runsAtOnce", slots from depths where depth > slots and change = 1`,
  }),
  rowCheck({
    invariant: "I2",
    title: "no agent has more slots taken than it has",
    unit: "runs with a slot",
    population: `heartbeat_runs where live and phase in ${withSlot}`,
    violating: `select a.id as "agentId", count(*)::int as taken, ${slotsOf("a")} as slots, array_agg(r.id) as runs
      from heartbeat_runs r join agents a on a.id = r.agent_id ${lastChange("a")}
      where r.live and r.phase in ${withSlot} and r.dispatched_at > coalesce(u.at, '-infinity')
      group by a.id having count(*) > ${slotsOf("a")}`,
  }),
  overlapCheck("I2", "agent", "no process met another one of its agent's only slot"),
  sweepCheck({
    invariant: "I2",
    title: "no agent had more processes than slots, as they wrote it down",
    keyOf: ({ agentId }) => agentId,
    limits: async (snapshot, ids) => {
      const rows = await snapshot.query<{ id: string; slots: number }>(
        `select a.id, ${slotsOf("a")} as slots from agents a where a.id = any($1::uuid[])`,
        [ids],
      );
      return new Map(rows.map(({ id, slots }) => [id, slots]));
    },
  }),
];
