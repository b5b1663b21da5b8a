/** I18: what runs have cost is counted once, to the micro-dollar, wherever it is counted. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import type { Evidence } from "../evidence.js";
import { lookUp } from "../look-up.js";
import type { Found, Shown } from "../report.js";
import { over } from "../words.js";

/** Beyond it the count stands still: `core/spend.ts`. */
const spendMicrosMax = "21474836470000";

interface Charged {
  id: string;
  attempt: number;
  micros: number;
  isOver: boolean;
  /** The report of its last attempt's end was applied: everything that attempt told was in it. */
  isReported: boolean;
}

/** An attempt that was lost has spent what it had reported until then: of what it told, anything may be missing, and nothing added. */
async function witnessedCosts({ witness, snapshot, rowsMax }: Evidence): Promise<Found> {
  const told = new Map<string, Map<number, number>>();
  for (const { runId, attempt, ends } of witness!.attempts.values())
    for (const { costMicros } of ends) {
      if (costMicros === undefined) continue;
      const attempts = told.get(runId) ?? new Map<number, number>();
      told.set(runId, attempts.set(attempt, (attempts.get(attempt) ?? 0) + costMicros));
    }
  const rows = await lookUp<Charged>(
    snapshot,
    `select r.id, r.attempt, coalesce(c.cost_micros, 0)::float8 as micros, r.status in ${over} as "isOver", r.log_bytes is not null as "isReported"
      from heartbeat_runs r left join cost_events c on c.run_id = r.id where r.id = any($1::uuid[])`,
    new Set(told.keys()),
  );
  const wrong: Shown[] = [];
  for (const [runId, attempts] of told) {
    const row = rows.get(runId);
    if (!row?.isOver) continue;
    const toldMicros = [...attempts.values()].reduce((sum, micros) => sum + micros, 0);
    const leastMicros = row.isReported ? (attempts.get(row.attempt) ?? 0) : 0;
    if (row.micros > toldMicros || row.micros < leastMicros)
      wrong.push({ runId, toldMicros, leastMicros, chargedMicros: row.micros });
  }
  return { looked: rows.size, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

export const moneyChecks: readonly Check[] = [
  rowCheck({
    invariant: "I18",
    title: "an ended run with usage has its one cost",
    unit: "ended runs with usage",
    population: `heartbeat_runs where status in ${over} and usage_json is not null`,
    violating: `select r.id as "runId", r.usage_json as usage, c.input_tokens as "inputTokens", c.output_tokens as "outputTokens", c.cost_micros::float8 as "costMicros"
      from heartbeat_runs r left join cost_events c on c.run_id = r.id
      where r.status in ${over} and r.usage_json is not null and r.started_at is not null
        and (coalesce(c.input_tokens, 0) <> coalesce((r.usage_json ->> 'inputTokens')::bigint, 0)
          or coalesce(c.output_tokens, 0) <> coalesce((r.usage_json ->> 'outputTokens')::bigint, 0)
          or coalesce(c.cost_micros, 0) <> round(coalesce((r.usage_json ->> 'costUsd')::numeric, 0) * 1000000))`,
  }),
  rowCheck({
    invariant: "I18",
    title: "only a run that is over has a cost, one, and none is negative",
    unit: "costs",
    population: "cost_events",
    violating: `select c.id, c.run_id as "runId", r.status, c.cost_micros::float8 as "costMicros", c.input_tokens as "inputTokens" from cost_events c
      left join heartbeat_runs r on r.id = c.run_id
      where r.status not in ${over} or c.cost_micros < 0 or c.cost_cents < 0 or c.input_tokens < 0 or c.output_tokens < 0
        or c.cached_input_tokens < 0
      union all select (array_agg(id))[1], run_id, 'counted twice', sum(cost_micros)::float8, count(*)::int from cost_events
      where run_id is not null group by run_id having count(*) > 1`,
  }),
  rowCheck({
    invariant: "I18",
    title: "totals of an agent are the sum of its runs",
    unit: "agents that have run",
    population: "agent_runtime_state",
    violating: `select s.agent_id as "agentId", s.total_cost_micros::float8 as "totalMicros", coalesce(c.micros, 0)::float8 as "sumMicros",
        s.total_input_tokens::float8 as "totalInput", coalesce(c.input, 0)::float8 as "sumInput",
        s.total_output_tokens::float8 as "totalOutput", coalesce(c.output, 0)::float8 as "sumOutput"
      from agent_runtime_state s left join (
        select agent_id, sum(cost_micros) as micros, sum(input_tokens) as input, sum(output_tokens) as output,
          sum(cached_input_tokens) as cached from cost_events where run_id is not null group by agent_id) c on c.agent_id = s.agent_id
      where s.total_cost_micros <> coalesce(c.micros, 0) or s.total_input_tokens <> coalesce(c.input, 0)
        or s.total_output_tokens <> coalesce(c.output, 0) or s.total_cached_input_tokens <> coalesce(c.cached, 0)
        or s.total_cost_cents <> round(s.total_cost_micros / 10000.0)`,
  }),
  rowCheck({
    invariant: "I18",
    title: "what an agent has spent in its month is the sum of its costs",
    unit: "agents",
    population: "agents",
    // A cost that did not come with a run counts in the month in which it was heard of.
    violating: `select a.id as "agentId", a.spend_month as month, a.spent_monthly_micros::float8 as "spentMicros", coalesce(c.micros, 0)::float8 as "sumMicros"
      from agents a left join (
        select agent_id, to_char((case when run_id is null then created_at else occurred_at end) at time zone 'utc', 'YYYY-MM') as month,
          sum(cost_micros) as micros from cost_events group by 1, 2) c on c.agent_id = a.id and c.month = a.spend_month
      where a.spent_monthly_micros <> least(coalesce(c.micros, 0), ${spendMicrosMax})
        or a.spent_monthly_cents <> round(a.spent_monthly_micros / 10000.0)`,
  }),
  {
    invariant: "I18",
    title: "a run costs what its processes told",
    unit: "runs whose witness told a cost",
    needs: ["witness"],
    stage: "snapshot",
    run: witnessedCosts,
  },
];
