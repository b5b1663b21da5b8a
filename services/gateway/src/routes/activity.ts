/** What was done through the gateway, and notes of people beside it. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { activityLog } from "@reveille/shared/postgres/schema";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import type { Context } from "../context.js";
import { companyParams, findCompany, findIssue, issueParams } from "../lookup.js";
import { clamped } from "../paging.js";
import { redacted } from "../redaction.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const listQuery = z.object({
  agentId: uuidSchema.optional(),
  entityType: z.string().max(100).optional(),
  entityId: z.string().max(100).optional(),
  limit: clamped({ absent: 200, nonsense: 200, min: 1, max: 1_000 }),
});
const noteSchema = z.object({
  actorType: z.enum(["agent", "user", "system"]).default("system"),
  actorId: z.string().min(1).max(255),
  action: z.string().min(1).max(200),
  entityType: z.string().min(1).max(100),
  entityId: z.string().min(1).max(100),
  agentId: uuidSchema.nullish(),
  details: z.record(z.string(), z.unknown()).nullish(),
});
const activitySchema = rowSchema(activityLog);

export function activityRoutes({ db }: Context): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/api/companies/:companyId/activity",
      summary: "Activity of a company, the newest first",
      params: companyParams,
      query: listQuery,
      responses: { 200: z.array(activitySchema) },
      handle: async ({ params, query, actor }) => {
        await findCompany(db, actor, params.companyId);
        return db.query.activityLog.findMany({
          where: (table, { and, eq }) =>
            and(
              eq(table.companyId, params.companyId),
              query.agentId ? eq(table.agentId, query.agentId) : undefined,
              query.entityType ? eq(table.entityType, query.entityType) : undefined,
              query.entityId ? eq(table.entityId, query.entityId) : undefined,
            ),
          orderBy: (table, { desc }) => [desc(table.createdAt), desc(table.id)],
          limit: query.limit,
        });
      },
    }),
    route({
      method: "POST",
      path: "/api/companies/:companyId/activity",
      summary: "A note in the activity log, for what was done elsewhere",
      params: companyParams,
      body: noteSchema,
      responses: { 201: activitySchema },
      boardOnly: true,
      handle: async ({ params, body, actor, status }) => {
        await findCompany(db, actor, params.companyId);
        const [row] = await db
          .insert(activityLog)
          .values({
            ...body,
            companyId: params.companyId,
            details: body.details ? redacted(body.details) : null,
          })
          .returning();
        status(201);
        return row;
      },
    }),
    route({
      method: "GET",
      path: "/api/issues/:issueId/activity",
      summary: "Activity on an issue, the newest first",
      params: issueParams,
      responses: { 200: z.array(activitySchema) },
      handle: async ({ params, actor }) => {
        const issue = await findIssue(db, actor, params.issueId);
        return db.query.activityLog.findMany({
          where: (table, { and, eq }) =>
            and(
              eq(table.companyId, issue.companyId),
              eq(table.entityType, "issue"),
              eq(table.entityId, issue.id),
            ),
          orderBy: (table, { desc }) => [desc(table.createdAt), desc(table.id)],
          limit: 1_000,
        });
      },
    }),
  ];
}
