/** Costs that did not come with a run's end. They are the agent's: its actor writes them and counts them. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { costEvents } from "@reveille/shared/postgres/schema";
import { newId, uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import { requester } from "../auth.js";
import { centsSchema } from "../agent-settings.js";
import type { Context } from "../context.js";
import { forbidden, overloaded } from "../errors.js";
import { requireRelated } from "../issue-rules.js";
import { companyParams, findAgent, findCompany } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** 2^31 - 1: what the columns hold. */
const tokens = z.number().int().min(0).max(2_147_483_647).default(0);
const costSchema = z.object({
  agentId: uuidSchema,
  issueId: uuidSchema.nullish(),
  projectId: uuidSchema.nullish(),
  goalId: uuidSchema.nullish(),
  billingCode: z.string().max(200).nullish(),
  provider: z.string().min(1).max(100),
  model: z.string().min(1).max(200),
  inputTokens: tokens,
  outputTokens: tokens,
  costCents: centsSchema,
  occurredAt: z.iso.datetime({ offset: true }),
});
/** Micro-dollars of a cent. */
const microsPerCent = 10_000;
/** How long the row may take to show. */
const shownMs = 10_000;

export function costEventRoutes(context: Context): AnyRoute[] {
  const { db, commands, live } = context;
  return [
    route({
      method: "POST",
      path: "/api/companies/:companyId/cost-events",
      summary: "Records a cost of an agent; at its budget the agent is paused",
      params: companyParams,
      body: costSchema,
      responses: { 201: rowSchema(costEvents) },
      handle: async ({ params: { companyId }, body, actor, runId, status }) => {
        await findCompany(db, actor, companyId);
        if (actor.type === "agent" && actor.id !== body.agentId)
          throw forbidden("Agent can only report its own costs");
        const { agentId, costCents, ...cost } = body;
        await requireRelated(db, companyId, body);
        const agent = await findAgent(db, { ...actor, companyId }, agentId);
        const id = newId();
        const { actorType, actorId } = requester(actor);
        await commands.send(companyId, agent.id, "cost", {
          ...cost,
          id,
          costMicros: costCents * microsPerCent,
          actorType,
          actorId,
        });
        const event = await live.until(companyId, shownMs, async () => {
          const row = await db.query.costEvents.findFirst({
            where: (table, { eq }) => eq(table.id, id),
          });
          return row ?? null;
        });
        if (!event) throw overloaded(503, `Cost ${id} is accepted and not recorded yet`, 5);
        await recordActivity(context, {
          companyId,
          actor,
          runId,
          action: "cost.reported",
          entityType: "cost_event",
          entityId: id,
          details: { costCents, model: body.model },
        });
        status(201);
        return event;
      },
    }),
  ];
}
