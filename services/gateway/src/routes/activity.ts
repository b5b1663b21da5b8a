/** What was done through the gateway. */
import { z } from "zod";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import type { Context } from "../context.js";
import { companyParams, findCompany, findIssue, issueParams } from "../lookup.js";
import { clamped } from "../paging.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const listQuery = z.object({
  agentId: uuidSchema.optional(),
  entityType: z.string().max(100).optional(),
  entityId: z.string().max(100).optional(),
  limit: clamped({ absent: 200, nonsense: 200, min: 1, max: 1_000 }),
});

export function activityRoutes({ db }: Context): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/api/companies/:companyId/activity",
      summary: "Activity of a company, the newest first",
      params: companyParams,
      query: listQuery,
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
      method: "GET",
      path: "/api/issues/:issueId/activity",
      summary: "Activity on an issue, the newest first",
      params: issueParams,
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
