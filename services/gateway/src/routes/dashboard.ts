/** Figures of a company at a glance, counted when asked for. */
import { z } from "zod";
import { centsOf, spentThisMonth, utilization } from "../company-view.js";
import type { Context } from "../context.js";
import { companyParams, findCompany } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const count = z.int().min(0);
const dashboardSchema = z.strictObject({
  companyId: z.string(),
  agents: z.object({ active: count, running: count, paused: count, error: count }).catchall(count),
  tasks: z.strictObject({ open: count, inProgress: count, blocked: count, done: count }),
  costs: z.strictObject({
    monthSpendCents: count,
    monthBudgetCents: count,
    monthUtilizationPercent: z.number(),
  }),
  pendingApprovals: count,
  staleTasks: count,
});
const badgesSchema = z.strictObject({
  inbox: count,
  approvals: count,
  failedRuns: count,
  joinRequests: count,
});
const statsSchema = z.record(z.string(), z.strictObject({ agentCount: count, issueCount: count }));
/** Work that nobody has touched for so long is stale. */
const staleInterval = "1 hour";

export function dashboardRoutes(context: Context): AnyRoute[] {
  const { db, pool } = context;
  return [
    route({
      method: "GET",
      path: "/api/companies/stats",
      summary: "Numbers of agents and issues by company",
      responses: { 200: statsSchema },
      boardOnly: true,
      handle: async ({ actor }) => stats(context, actor.companyId),
    }),
    route({
      method: "GET",
      path: "/api/companies/:companyId/dashboard",
      summary: "Agents and issues by status, spend of the month, what waits for people",
      params: companyParams,
      responses: { 200: dashboardSchema },
      handle: async ({ params, actor }) => {
        const company = await findCompany(db, actor, params.companyId);
        return dashboard(context, company);
      },
    }),
    route({
      method: "GET",
      path: "/api/companies/:companyId/sidebar-badges",
      summary:
        "What waits for people: approvals, agents whose last run failed, issues of the caller",
      params: companyParams,
      responses: { 200: badgesSchema },
      handle: async ({ params, actor }) => {
        await findCompany(db, actor, params.companyId);
        const userId = actor.type === "board" ? actor.id : null;
        const found = await pool.query<{ approvals: number; failed: number; assigned: number }>(
          `select (select count(*) from approvals where company_id = $1
               and status in ('pending', 'revision_requested'))::int as approvals,
             (select count(*) from agents a cross join lateral (select status from heartbeat_runs r
                 where r.agent_id = a.id order by r.created_at desc limit 1) last
               where a.company_id = $1 and a.status <> 'terminated' and a.deleted_at is null
                 and last.status in ('failed', 'timed_out'))::int as failed,
             (select count(*) from issues where company_id = $1 and assignee_user_id = $2
               and hidden_at is null and status in ('backlog', 'todo', 'in_progress', 'in_review', 'blocked'))::int as assigned`,
          [params.companyId, userId],
        );
        const { approvals = 0, failed = 0, assigned = 0 } = found.rows[0] ?? {};
        const inbox = approvals + failed + assigned;
        return { inbox, approvals, failedRuns: failed, joinRequests: 0 };
      },
    }),
  ];
}

async function stats({ pool }: Context, companyId: string | null) {
  const found = await pool.query<{ id: string; agentCount: number; issueCount: number }>(
    `select c.id,
       (select count(*) from agents a where a.company_id = c.id and a.deleted_at is null)::int as "agentCount",
       (select count(*) from issues i where i.company_id = c.id)::int as "issueCount"
     from companies c where $1::uuid is null or c.id = $1 order by c.created_at limit 1000`,
    [companyId],
  );
  return Object.fromEntries(found.rows.map(({ id, ...numbers }) => [id, numbers]));
}

async function dashboard(
  { pool }: Context,
  company: { id: string; budgetMonthlyCents: number },
): Promise<z.input<typeof dashboardSchema>> {
  type Count = { status: string; count: number };
  const [agents, issues, waiting, spent] = await Promise.all([
    pool.query<Count>(
      "select status, count(*)::int as count from agents where company_id = $1 and deleted_at is null group by status",
      [company.id],
    ),
    pool.query<Count>(
      "select status, count(*)::int as count from issues where company_id = $1 group by status",
      [company.id],
    ),
    pool.query<{ approvals: number; stale: number }>(
      `select (select count(*) from approvals where company_id = $1 and status = 'pending')::int as approvals,
         (select count(*) from issues where company_id = $1 and status = 'in_progress'
           and started_at < now() - $2::interval)::int as stale`,
      [company.id, staleInterval],
    ),
    spentThisMonth(pool, [company.id]),
  ]);
  const byAgent = new Map(agents.rows.map((row) => [row.status, row.count]));
  const byIssue = new Map(issues.rows.map((row) => [row.status, row.count]));
  const { idle = 0, ...others } = Object.fromEntries(byAgent) as Record<string, number>;
  const closed = (byIssue.get("done") ?? 0) + (byIssue.get("cancelled") ?? 0);
  const monthSpendCents = centsOf(spent.get(company.id) ?? 0);
  return {
    companyId: company.id,
    agents: {
      running: 0,
      paused: 0,
      error: 0,
      ...others,
      // An idle agent is ready for work.
      active: (byAgent.get("active") ?? 0) + idle,
    },
    tasks: {
      open: issues.rows.reduce((sum, row) => sum + row.count, 0) - closed,
      inProgress: byIssue.get("in_progress") ?? 0,
      blocked: byIssue.get("blocked") ?? 0,
      done: byIssue.get("done") ?? 0,
    },
    costs: {
      monthSpendCents,
      monthBudgetCents: company.budgetMonthlyCents,
      monthUtilizationPercent: utilization(monthSpendCents, company.budgetMonthlyCents),
    },
    pendingApprovals: waiting.rows[0]?.approvals ?? 0,
    staleTasks: waiting.rows[0]?.stale ?? 0,
  };
}
