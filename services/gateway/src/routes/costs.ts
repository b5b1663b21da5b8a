/** What was spent: in all, by agent, by project. Sums are of micro-dollars; cents are rounded once. */
import { z } from "zod";
import { utilization } from "../company-view.js";
import type { Context } from "../context.js";
import { companyParams, findCompany } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const moment = z.union([z.iso.datetime({ offset: true }), z.iso.date()]).optional();
/** Both ends belong to the range; left out: no end. */
const rangeQuery = z.object({ from: moment, to: moment });
type Range = z.output<typeof rangeQuery>;

const count = z.int().min(0);
const summarySchema = z.strictObject({
  companyId: z.string(),
  spendCents: count,
  budgetCents: count,
  utilizationPercent: z.number(),
});
const tokens = { costCents: count, inputTokens: count, outputTokens: count };
const byAgentSchema = z.strictObject({
  agentId: z.string(),
  /** Null: the agent was deleted. What it spent stays. */
  agentName: z.string().nullable(),
  agentStatus: z.string().nullable(),
  ...tokens,
  apiRunCount: count,
  subscriptionRunCount: count,
  subscriptionInputTokens: count,
  subscriptionOutputTokens: count,
});
const byProjectSchema = z.strictObject({
  projectId: z.string(),
  projectName: z.string(),
  ...tokens,
});

const sums = `round(sum(e.cost_micros) / 10000.0)::float8 as "costCents",
  sum(e.input_tokens)::float8 as "inputTokens", sum(e.output_tokens)::float8 as "outputTokens"`;
const inRange = (column: string): string =>
  `($2::timestamptz is null or ${column} >= $2) and ($3::timestamptz is null or ${column} <= $3)`;
/** Agents or projects of one answer. */
const rowsMax = 10_000;

export function costRoutes({ db, pool }: Context): AnyRoute[] {
  const values = (companyId: string, { from, to }: Range): unknown[] => [
    companyId,
    from ?? null,
    to ?? null,
  ];
  return [
    route({
      method: "GET",
      path: "/api/companies/:companyId/costs/summary",
      summary: "What a company spent, beside its monthly budget",
      params: companyParams,
      query: rangeQuery,
      responses: { 200: summarySchema },
      handle: async ({ params, query, actor }) => {
        const company = await findCompany(db, actor, params.companyId);
        const found = await pool.query<{ cents: number }>(
          `select coalesce(round(sum(e.cost_micros) / 10000.0), 0)::float8 as cents from cost_events e
           where e.company_id = $1 and ${inRange("e.occurred_at")}`,
          values(company.id, query),
        );
        const spendCents = found.rows[0]?.cents ?? 0;
        return {
          companyId: company.id,
          spendCents,
          budgetCents: company.budgetMonthlyCents,
          utilizationPercent: utilization(spendCents, company.budgetMonthlyCents),
        };
      },
    }),
    route({
      method: "GET",
      path: "/api/companies/:companyId/costs/by-agent",
      summary: "What each agent spent, the most expensive first",
      params: companyParams,
      query: rangeQuery,
      responses: { 200: z.array(byAgentSchema) },
      handle: async ({ params, query, actor }) => {
        await findCompany(db, actor, params.companyId);
        const found = await pool.query(byAgent, values(params.companyId, query));
        return found.rows;
      },
    }),
    route({
      method: "GET",
      path: "/api/companies/:companyId/costs/by-project",
      summary: "What was spent for each project, the most expensive first",
      params: companyParams,
      query: rangeQuery,
      responses: { 200: z.array(byProjectSchema) },
      handle: async ({ params, query, actor }) => {
        await findCompany(db, actor, params.companyId);
        const found = await pool.query(
          `select p.id as "projectId", p.name as "projectName", ${sums} from cost_events e
           left join issues i on i.id = e.issue_id and i.company_id = e.company_id
           join projects p on p.id = coalesce(e.project_id, i.project_id) and p.company_id = e.company_id
           where e.company_id = $1 and ${inRange("e.occurred_at")}
           group by p.id, p.name order by sum(e.cost_micros) desc, p.id limit ${rowsMax}`,
          values(params.companyId, query),
        );
        return found.rows;
      },
    }),
  ];
}

/** Runs are counted by how they were billed; only those that used something have a word on it. */
const billed = (type: string): string => `r.usage_json ->> 'billingType' = '${type}'`;
const byAgent = `with spent as (
    select e.agent_id, sum(e.cost_micros) as micros, ${sums} from cost_events e
    where e.company_id = $1 and ${inRange("e.occurred_at")} group by e.agent_id
  ), runs as (
    select r.agent_id, count(*) filter (where ${billed("api")}) as api,
      count(*) filter (where ${billed("subscription")}) as subscription,
      sum((r.usage_json ->> 'inputTokens')::bigint) filter (where ${billed("subscription")}) as input,
      sum((r.usage_json ->> 'outputTokens')::bigint) filter (where ${billed("subscription")}) as output
    from heartbeat_runs r where r.company_id = $1 and r.usage_json is not null and ${inRange("r.finished_at")}
    group by r.agent_id
  )
  select s.agent_id as "agentId", a.name as "agentName", a.status as "agentStatus", s."costCents", s."inputTokens",
    s."outputTokens", coalesce(r.api, 0)::float8 as "apiRunCount",
    coalesce(r.subscription, 0)::float8 as "subscriptionRunCount",
    coalesce(r.input, 0)::float8 as "subscriptionInputTokens",
    coalesce(r.output, 0)::float8 as "subscriptionOutputTokens"
  from spent s left join agents a on a.id = s.agent_id and a.deleted_at is null left join runs r on r.agent_id = s.agent_id
  order by s.micros desc, s.agent_id limit ${rowsMax}`;
