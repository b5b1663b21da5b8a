/** API keys of agents. The token is shown once; kept is its hash. */
import { newAgentKey } from "@reveille/shared/credentials/stored-token";
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { agentApiKeys } from "@reveille/shared/postgres/schema";
import { and, eq, isNull, sql } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import type { Context } from "../context.js";
import { conflict, notFound } from "../errors.js";
import { agentParams, agentQuery, findAgent } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const keySchema = rowSchema(agentApiKeys).omit({
  agentId: true,
  companyId: true,
  keyHash: true,
});

export function agentKeyRoutes(context: Context): AnyRoute[] {
  return [create(context), list(context), revoke(context)];
}

const create = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/agents/:agentId/keys",
    summary: "A new key; its token is in this answer and nowhere else",
    params: agentParams,
    query: agentQuery,
    body: z.object({ name: z.string().min(1).max(200).default("default") }),
    responses: {
      201: keySchema.pick({ id: true, name: true, createdAt: true }).extend({ token: z.string() }),
    },
    boardOnly: true,
    handle: async ({ params, query, body, actor, runId, status }) => {
      const agent = await findAgent(context.db, actor, params.agentId, query.companyId);
      if (agent.status === "pending_approval" || agent.status === "terminated")
        throw conflict(`Cannot create keys for ${agent.status.replace("_", " ")} agents`);
      const { token, hash } = newAgentKey();
      const [key] = await context.db
        .insert(agentApiKeys)
        .values({
          agentId: agent.id,
          companyId: agent.companyId,
          name: body.name,
          keyHash: hash,
        })
        .returning();
      await recordActivity(context, {
        companyId: agent.companyId,
        actor,
        runId,
        action: "agent.key_created",
        entityType: "agent",
        entityId: agent.id,
        details: { keyId: key?.id, name: key?.name },
      });
      status(201);
      return { id: key?.id, name: key?.name, token, createdAt: key?.createdAt };
    },
  });

const list = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/agents/:agentId/keys",
    summary: "An agent's keys, without their tokens",
    params: agentParams,
    query: agentQuery,
    responses: { 200: z.array(keySchema) },
    boardOnly: true,
    handle: async ({ params, query, actor }) => {
      const agent = await findAgent(db, actor, params.agentId, query.companyId);
      return db.query.agentApiKeys.findMany({
        columns: { id: true, name: true, createdAt: true, revokedAt: true, lastUsedAt: true },
        where: (table, operators) => operators.eq(table.agentId, agent.id),
        orderBy: (table, { desc }) => desc(table.createdAt),
        limit: 1_000,
      });
    },
  });

const revoke = ({ db }: Context): AnyRoute =>
  route({
    method: "DELETE",
    path: "/api/agents/:agentId/keys/:keyId",
    summary: "Revokes a key",
    params: agentParams.extend({ keyId: uuidSchema }),
    query: agentQuery,
    responses: { 200: z.strictObject({ ok: z.literal(true) }) },
    boardOnly: true,
    handle: async ({ params, query, actor }) => {
      const agent = await findAgent(db, actor, params.agentId, query.companyId);
      const revoked = await db
        .update(agentApiKeys)
        .set({ revokedAt: sql`now()` })
        .where(
          and(
            eq(agentApiKeys.id, params.keyId),
            eq(agentApiKeys.agentId, agent.id),
            isNull(agentApiKeys.revokedAt),
          ),
        )
        .returning({ id: agentApiKeys.id });
      if (revoked.length === 0) throw notFound("Key");
      return { ok: true };
    },
  });
