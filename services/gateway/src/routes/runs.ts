/** Runs: lists, one run, its events, and its cancel. */
import { z } from "zod";
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { heartbeatRunEvents } from "@reveille/shared/postgres/schema";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import type { Activity } from "../activity.js";
import { requester } from "../auth.js";
import type { Context } from "../context.js";
import { companyParams, findCompany, findRun, findRunHead, runParams } from "../lookup.js";
import { clamped } from "../paging.js";
import { presentRun, presentRunDetail, runDetailSchema, runSchema } from "../present.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import { liveRunSchema, liveRuns } from "../run-queries.js";

/** A cancel is answered when the tree is dead: twice the default grace of a process (15 s). */
const cancelMs = 30_000;
const over = (status: string): boolean => status !== "queued" && status !== "running";

const eventSchema = rowSchema(heartbeatRunEvents);
const listQuery = z.object({
  agentId: uuidSchema.optional(),
  // Paperclip's tolerance: left out means all (here: the last 1,000), nonsense means 200.
  limit: clamped({ absent: 1_000, nonsense: 200, zero: 200, min: 1, max: 1_000 }),
});
const eventsQuery = z.object({
  afterSeq: clamped({ absent: 0, nonsense: 0, min: 0, max: 2_147_483_647 }),
  limit: clamped({ absent: 200, nonsense: 200, min: 1, max: 1_000 }),
});
const liveQuery = z.object({
  minCount: clamped({ absent: 0, nonsense: 0, min: 0, max: 20 }),
});

export function runRoutes(context: Context): AnyRoute[] {
  const { db, pool } = context;
  return [
    route({
      method: "GET",
      path: "/api/companies/:companyId/heartbeat-runs",
      summary: "Runs, the newest first",
      params: companyParams,
      query: listQuery,
      responses: { 200: z.array(runSchema) },
      handle: ({ params, query, actor }) => list(context, params.companyId, query, actor),
    }),
    route({
      method: "GET",
      path: "/api/companies/:companyId/live-runs",
      summary: "Runs that are queued or running, and with minCount the last ones before them",
      params: companyParams,
      query: liveQuery,
      responses: { 200: z.array(liveRunSchema) },
      handle: async ({ params, query, actor }) => {
        await findCompany(db, actor, params.companyId);
        return liveRuns(pool, { companyId: params.companyId, minCount: query.minCount });
      },
    }),
    route({
      method: "GET",
      path: "/api/heartbeat-runs/:runId",
      summary: "One run, with what Reveille knows beyond Paperclip",
      params: runParams,
      responses: { 200: runDetailSchema },
      handle: async ({ params, actor }) => presentRunDetail(await findRun(db, actor, params.runId)),
    }),
    route({
      method: "GET",
      path: "/api/heartbeat-runs/:runId/events",
      summary: "Events of a run after a number, in order",
      params: runParams,
      query: eventsQuery,
      responses: { 200: z.array(eventSchema) },
      handle: async ({ params, query, actor }) => {
        const run = await findRunHead(db, actor, params.runId);
        return db.query.heartbeatRunEvents.findMany({
          where: (table, { and, eq, gt }) =>
            and(eq(table.runId, run.id), gt(table.seq, query.afterSeq)),
          orderBy: (table, { asc }) => asc(table.seq),
          limit: query.limit,
        });
      },
    }),
    route({
      method: "POST",
      path: "/api/heartbeat-runs/:runId/cancel",
      summary:
        "Cancels a run; answers when its process tree is dead, or after 30 s with the run as it is",
      params: runParams,
      boardOnly: true,
      responses: { 200: runSchema },
      handle: ({ params, actor, runId }) => cancel(context, params.runId, actor, runId),
    }),
  ];
}

async function list(
  { db }: Context,
  companyId: string,
  query: z.output<typeof listQuery>,
  actor: Activity["actor"],
): Promise<unknown> {
  await findCompany(db, actor, companyId);
  const rows = await db.query.heartbeatRuns.findMany({
    where: (table, { and, eq }) =>
      and(
        eq(table.companyId, companyId),
        query.agentId ? eq(table.agentId, query.agentId) : undefined,
      ),
    orderBy: (table, { desc }) => [desc(table.createdAt), desc(table.id)],
    limit: query.limit,
  });
  return rows.map(presentRun);
}

async function cancel(
  { db, commands, live, activity }: Context,
  id: string,
  actor: Activity["actor"],
  runId: string | null,
): Promise<unknown> {
  const run = await findRunHead(db, actor, id);
  if (over(run.status)) return presentRun(await findRun(db, actor, id));
  const { actorType, actorId } = requester(actor);
  await commands.send(run.companyId, run.agentId, "cancel", { runId: id, actorType, actorId });
  await live.until(run.companyId, cancelMs, async () => {
    const { status } = await findRunHead(db, actor, id);
    return over(status) ? status : null;
  });
  const entry: Activity = {
    companyId: run.companyId,
    actor,
    runId,
    action: "heartbeat.cancelled",
    entityType: "heartbeat_run",
    entityId: id,
    details: { agentId: run.agentId },
  };
  await activity.write(db, entry);
  activity.tell(entry);
  return presentRun(await findRun(db, actor, id));
}
