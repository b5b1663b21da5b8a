/** Wake requests: what was asked of an agent, and what became of it. The mailbox writes them; nobody else shows them. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { agentWakeupRequests } from "@reveille/shared/postgres/schema";
import { sql } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { wakeIdSchema, wakeSources } from "@reveille/shared/protocol/wake";
import { z } from "zod";
import { requireCompany } from "../auth.js";
import type { Context } from "../context.js";
import { notFound } from "../errors.js";
import { agentParams, agentQuery, companyParams, findAgent, findCompany } from "../lookup.js";
import { ownRoute, page, pageOf, pageQuery, readCursor } from "../own-route.js";
import type { AnyRoute } from "../route.js";

const statuses = [
  "queued",
  "deferred_issue_execution",
  "claimed",
  "coalesced",
  "skipped",
  "completed",
  "failed",
  "cancelled",
  "timed_out",
] as const;
const filters = {
  status: z.enum(statuses).optional(),
  source: z.enum(wakeSources).optional(),
  runId: uuidSchema.optional().describe("Wakes that led to this run or joined it"),
  wakeId: wakeIdSchema.optional().describe("The publisher's own id"),
  ...pageQuery,
};
const listQuery = z.object({
  agentId: uuidSchema.optional(),
  issueId: uuidSchema.optional().describe("Wakes that wait for this issue"),
  ...filters,
});
type Filters = z.output<typeof listQuery>;

/** Without what only the actor uses; the context is shown by the one, not by the list. */
const detail = rowSchema(agentWakeupRequests).omit({
  partition: true,
  generation: true,
  owesRelease: true,
});
const item = detail.omit({ contextSnapshot: true });
const ownColumns = { partition: false, generation: false, owesRelease: false } as const;

export function wakeRequestRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  return [
    ownRoute({
      method: "GET",
      path: "/api/companies/:companyId/wake-requests",
      summary: "Wake requests of a company, the newest first",
      params: companyParams,
      query: listQuery,
      responses: { 200: pageOf(item) },
      handle: async ({ params, query, actor }) => {
        await findCompany(db, actor, params.companyId);
        return list(context, params.companyId, query);
      },
    }),
    ownRoute({
      method: "GET",
      path: "/api/agents/:agentId/wake-requests",
      summary: "Wake requests of an agent, the newest first",
      params: agentParams,
      query: agentQuery.extend({ issueId: listQuery.shape.issueId, ...filters }),
      responses: { 200: pageOf(item) },
      handle: async ({ params, query, actor }) => {
        const agent = await findAgent(db, actor, params.agentId, query.companyId);
        return list(context, agent.companyId, { ...query, agentId: agent.id });
      },
    }),
    ownRoute({
      method: "GET",
      path: "/api/wake-requests/:wakeRequestId",
      summary: "One wake request, with the context that its run starts with while it waits",
      params: z.object({ wakeRequestId: uuidSchema }),
      responses: { 200: detail },
      handle: async ({ params, actor }) => {
        const row = await db.query.agentWakeupRequests.findFirst({
          columns: ownColumns,
          where: (table, { eq }) => eq(table.id, params.wakeRequestId),
        });
        if (!row) throw notFound("Wake request");
        requireCompany(actor, row.companyId, "Wake request");
        return row;
      },
    }),
  ];
}

/** The time as the database writes it, to the microsecond, and the id. */
const place = z.tuple([z.string().regex(/^[\d :.+-]{10,40}$/), uuidSchema]);

async function list({ db }: Context, companyId: string, query: Filters) {
  const after = readCursor(query.cursor, place);
  const rows = await db.query.agentWakeupRequests.findMany({
    columns: { ...ownColumns, contextSnapshot: false },
    extras: (table) => ({ place: sql<string>`${table.requestedAt}::text`.as("place") }),
    where: (table, { and, eq }) =>
      and(
        eq(table.companyId, companyId),
        query.agentId ? eq(table.agentId, query.agentId) : undefined,
        query.status ? eq(table.status, query.status) : undefined,
        query.source ? eq(table.source, query.source) : undefined,
        query.runId ? eq(table.runId, query.runId) : undefined,
        query.wakeId ? eq(table.wakeId, query.wakeId) : undefined,
        query.issueId ? eq(table.issueId, query.issueId) : undefined,
        after
          ? sql`(${table.requestedAt}, ${table.id}) < (${after[0]}::timestamptz, ${after[1]}::uuid)`
          : undefined,
      ),
    orderBy: (table, { desc }) => [desc(table.requestedAt), desc(table.id)],
    limit: query.limit + 1,
  });
  const found = page(rows, query.limit, (row) => [row.place, row.id]);
  return { ...found, items: found.items.map(withoutPlace) };
}

function withoutPlace<Row extends { place: string }>(row: Row): Omit<Row, "place"> {
  const { place: _, ...rest } = row;
  return rest;
}
