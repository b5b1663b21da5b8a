/** Hiring: a new agent that waits for the board's approval where the company wants it so. */
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import type { Activity } from "../activity.js";
import { announceTimer, insertAgent } from "../agent-creation.js";
import { checkSettings, newAgentSchema } from "../agent-settings.js";
import { agentSchema, presentAgent } from "../agent-view.js";
import { approvalSchema, insertApproval, presentApproval } from "../approvals.js";
import type { Context } from "../context.js";
import { companyParams, findCompany } from "../lookup.js";
import type { AgentRow } from "../lookup.js";
import { requireMayCreateAgents } from "../permissions.js";
import { redacted } from "../redaction.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** Issues that one approval is about. */
const issuesMax = 100;
const hireSchema = newAgentSchema.extend({
  sourceIssueId: uuidSchema.nullish(),
  sourceIssueIds: z.array(uuidSchema).max(issuesMax).optional(),
});

export function agentHireRoutes(context: Context): AnyRoute[] {
  const { db, activity } = context;
  return [
    route({
      method: "POST",
      path: "/api/companies/:companyId/agent-hires",
      summary: "A new agent; where the board has to approve it waits for that",
      params: companyParams,
      body: hireSchema,
      responses: {
        201: z.strictObject({ agent: agentSchema, approval: approvalSchema.nullable() }),
      },
      handle: async ({ params: { companyId }, body, actor, runId, status }) => {
        const company = await findCompany(db, actor, companyId);
        await requireMayCreateAgents(db, actor);
        const { sourceIssueId, sourceIssueIds = [], ...wanted } = body;
        const issueIds = [
          ...new Set([...sourceIssueIds, ...(sourceIssueId ? [sourceIssueId] : [])]),
        ];
        const settings = await checkSettings(context, wanted, { companyId, actor, agent: null });
        const waits = company.requireBoardApprovalForNewAgents;
        const { agent, approval, entries } = await db.transaction(async (tx) => {
          const made = await insertAgent(tx, context.partitionCount, {
            companyId,
            status: waits ? "pending_approval" : "idle",
            settings,
          });
          const asked = waits
            ? await insertApproval(tx, {
                companyId,
                actor,
                type: "hire_agent",
                payload: hirePayload(made, actor.type === "agent" ? actor.id : null),
                issueIds,
              })
            : null;
          const told = hireEntries({ companyId, actor, runId }, made, asked, issueIds);
          for (const entry of told) await activity.write(tx, entry);
          return { agent: made, approval: asked, entries: told };
        });
        for (const entry of entries) activity.tell(entry);
        await announceTimer(context, agent);
        status(201);
        return { agent: presentAgent(agent), approval: approval && presentApproval(approval) };
      },
    }),
  ];
}

function hireEntries(
  about: Pick<Activity, "companyId" | "actor" | "runId">,
  made: AgentRow,
  asked: { id: string; type: string } | null,
  issueIds: readonly string[],
): Activity[] {
  const hired = {
    ...about,
    action: "agent.hire_created",
    entityType: "agent",
    entityId: made.id,
    details: {
      name: made.name,
      role: made.role,
      requiresApproval: asked !== null,
      approvalId: asked?.id ?? null,
      issueIds,
    },
  };
  if (!asked) return [hired];
  const approval = {
    ...about,
    action: "approval.created",
    entityType: "approval",
    entityId: asked.id,
    details: { type: asked.type, linkedAgentId: made.id },
  };
  return [hired, approval];
}

/** What the board reads before it decides; secrets are hidden, the agent's row has them. */
function hirePayload(agent: AgentRow, requestedByAgentId: string | null): Record<string, unknown> {
  const configuration = {
    adapterType: agent.adapterType,
    adapterConfig: redacted(agent.adapterConfig),
    runtimeConfig: redacted(agent.runtimeConfig),
  };
  return {
    name: agent.name,
    role: agent.role,
    title: agent.title,
    icon: agent.icon,
    reportsTo: agent.reportsTo,
    capabilities: agent.capabilities,
    ...configuration,
    budgetMonthlyCents: agent.budgetMonthlyCents,
    metadata: redacted(agent.metadata),
    agentId: agent.id,
    requestedByAgentId,
    requestedConfigurationSnapshot: configuration,
  };
}
