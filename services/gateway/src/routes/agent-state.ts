/** What is kept of an agent between runs: runtime state and task sessions. Its actor writes them; here they are read, and forgetting is asked for. */
import type { Database } from "@reveille/shared/postgres/pool";
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { agentRuntimeState, agentTaskSessions } from "@reveille/shared/postgres/schema";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import { requester } from "../auth.js";
import type { Context } from "../context.js";
import { overloaded } from "../errors.js";
import { agentParams, agentQuery, findAgent } from "../lookup.js";
import type { AgentRow } from "../lookup.js";
import { redacted } from "../redaction.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const stateSchema = rowSchema(agentRuntimeState).extend({
  sessionDisplayId: z.string().nullable(),
  sessionParamsJson: z.record(z.string(), z.unknown()).nullable(),
});
/** How long forgetting may take to show. */
const resetMs = 10_000;
/** Sessions in one answer. */
const sessionsMax = 1_000;

export function agentStateRoutes(context: Context): AnyRoute[] {
  return [runtimeState(context), taskSessions(context), resetSession(context)];
}

const runtimeState = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/agents/:agentId/runtime-state",
    summary: "Totals, last run and session of an agent; of one that never ran, the empty state",
    params: agentParams,
    query: agentQuery,
    responses: { 200: stateSchema },
    boardOnly: true,
    handle: async ({ params, query, actor }) =>
      stateOf(db, await findAgent(db, actor, params.agentId, query.companyId)),
  });

const taskSessions = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/agents/:agentId/task-sessions",
    summary: "Sessions by task, the last used first, 1,000 at most",
    params: agentParams,
    query: agentQuery,
    responses: { 200: z.array(rowSchema(agentTaskSessions)) },
    boardOnly: true,
    handle: async ({ params, query, actor }) => {
      const agent = await findAgent(db, actor, params.agentId, query.companyId);
      const rows = await db.query.agentTaskSessions.findMany({
        where: (table, { eq }) => eq(table.agentId, agent.id),
        orderBy: (table, { desc }) => [desc(table.updatedAt), desc(table.createdAt)],
        limit: sessionsMax,
      });
      return rows.map((row) => ({ ...row, sessionParamsJson: shownParams(row) }));
    },
  });

const resetSession = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/agents/:agentId/runtime-state/reset-session",
    summary:
      "Forgets the session of one task, or all of the agent; a run under way may write a new one",
    params: agentParams,
    query: agentQuery,
    body: z.object({ taskKey: z.string().min(1).max(512).nullish() }),
    responses: { 200: stateSchema.extend({ clearedTaskSessions: z.int() }) },
    boardOnly: true,
    handle: async ({ params, query, body, actor }) => {
      const { db } = context;
      const agent = await findAgent(db, actor, params.agentId, query.companyId);
      const taskKey = body.taskKey?.trim() || null;
      const cleared = await reset(context, agent, taskKey, requester(actor));
      await recordActivity(context, {
        companyId: agent.companyId,
        actor,
        action: "agent.runtime_session_reset",
        entityType: "agent",
        entityId: agent.id,
        details: { taskKey },
      });
      return { ...(await stateOf(db, agent)), clearedTaskSessions: cleared };
    },
  });

/**
 * How many sessions of tasks were there when it was asked: only the agent's actor deletes them.
 * @throws HttpError 503 when they do not go in time.
 */
async function reset(
  { db, commands, live }: Context,
  agent: AgentRow,
  taskKey: string | null,
  { actorType, actorId }: ReturnType<typeof requester>,
): Promise<number> {
  const [before, stateBefore] = await Promise.all([
    resettable(db, agent, taskKey),
    stateRow(db, agent.id),
  ]);
  await commands.send(agent.companyId, agent.id, "reset-session", { taskKey, actorType, actorId });
  const gone = await live.until(agent.companyId, resetMs, async () => {
    const [sessions, state] = await Promise.all([
      resettable(db, agent, taskKey),
      stateRow(db, agent.id),
    ]);
    // Every reset stamps the state. A session that a run wrote meanwhile is newer, and none of those asked about.
    if (state?.updatedAt.getTime() === stateBefore?.updatedAt.getTime()) return null;
    return sessions.some((row) => before.some((old) => isSame(row, old))) ? null : true;
  });
  if (!gone) throw overloaded(503, "The reset is accepted and not applied yet", 2);
  return before.length;
}

interface SessionVersion {
  id: string;
  updatedAt: Date;
}
const isSame = (one: SessionVersion, other: SessionVersion): boolean =>
  one.id === other.id && one.updatedAt.getTime() === other.updatedAt.getTime();

/** Sessions that a reset deletes: of one task those of the adapter that the agent has now. */
const resettable = (db: Database, agent: AgentRow, taskKey: string | null) =>
  db.query.agentTaskSessions.findMany({
    columns: { id: true, updatedAt: true },
    where: (table, { and, eq }) =>
      and(
        eq(table.agentId, agent.id),
        taskKey === null ? undefined : eq(table.taskKey, taskKey),
        taskKey === null ? undefined : eq(table.adapterType, agent.adapterType),
      ),
  });

const stateRow = (db: Database, agentId: string) =>
  db.query.agentRuntimeState.findFirst({ where: (table, { eq }) => eq(table.agentId, agentId) });

/**
 * The state with the session used last. An agent that never ran has no row, and a look makes none (as
 * Paperclip's did): the row is its actor's, and a reader must not race it.
 */
async function stateOf(db: Database, agent: AgentRow): Promise<Record<string, unknown>> {
  const [state, session] = await Promise.all([
    stateRow(db, agent.id),
    db.query.agentTaskSessions.findFirst({
      where: (table, { eq }) => eq(table.agentId, agent.id),
      orderBy: (table, { desc }) => desc(table.updatedAt),
    }),
  ]);
  return {
    ...(state ?? emptyState(agent)),
    sessionDisplayId: session?.sessionDisplayId ?? state?.sessionId ?? null,
    sessionParamsJson: session ? shownParams(session) : null,
  };
}

const shownParams = ({ sessionParamsJson }: { sessionParamsJson: unknown }) =>
  sessionParamsJson === null ? null : redacted(sessionParamsJson);

const emptyState = (agent: AgentRow): typeof agentRuntimeState.$inferSelect => ({
  agentId: agent.id,
  companyId: agent.companyId,
  adapterType: agent.adapterType,
  sessionId: null,
  stateJson: {},
  lastRunId: null,
  lastRunStatus: null,
  totalInputTokens: 0,
  totalOutputTokens: 0,
  totalCachedInputTokens: 0,
  totalCostCents: 0,
  totalCostMicros: 0,
  lastError: null,
  createdAt: agent.createdAt,
  updatedAt: agent.createdAt,
});
