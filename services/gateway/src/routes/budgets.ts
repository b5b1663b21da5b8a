/** Monthly budgets, in cents; 0 means no limit. A raised one lets queues go on. */
import { z } from "zod";
import { recordActivity } from "../activity.js";
import { configure } from "../agent-changes.js";
import { centsSchema } from "../agent-settings.js";
import { agentSchema, presentAgent } from "../agent-view.js";
import { companySchema } from "../company-view.js";
import type { Context } from "../context.js";
import { agentParams, agentQuery, companyParams, findAgent } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import { changeCompany } from "./companies.js";

const budgetSchema = z.object({ budgetMonthlyCents: centsSchema });

export function budgetRoutes(context: Context): AnyRoute[] {
  return [
    route({
      method: "PATCH",
      path: "/api/companies/:companyId/budgets",
      summary: "The monthly budget of a company",
      params: companyParams,
      body: budgetSchema,
      responses: { 200: companySchema },
      boardOnly: true,
      handle: async ({ params, body, actor }) =>
        changeCompany(context, params.companyId, body, {
          action: "company.budget_updated",
          actor,
        }),
    }),
    route({
      method: "PATCH",
      path: "/api/agents/:agentId/budgets",
      summary: "The monthly budget of an agent; none raises its own",
      params: agentParams,
      query: agentQuery,
      body: budgetSchema,
      responses: { 200: agentSchema },
      boardOnly: true,
      handle: async ({ params, query, body, actor, runId }) => {
        const agent = await findAgent(context.db, actor, params.agentId, query.companyId);
        const changed = await configure(context, actor, agent, body);
        await recordActivity(context, {
          companyId: agent.companyId,
          actor,
          runId,
          action: "agent.budget_updated",
          entityType: "agent",
          entityId: agent.id,
          details: body,
        });
        return presentAgent(changed);
      },
    }),
  ];
}
