/** What is kept of an agent between runs: runtime state and task sessions. */
import type { Context } from "../context.js";
import { agentParams, agentQuery, findAgent } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

export function agentStateRoutes({ db }: Context): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/api/agents/:agentId/runtime-state",
      summary: "Totals, last run and session of an agent",
      params: agentParams,
      query: agentQuery,
      boardOnly: true,
      handle: async ({ params, query, actor }) => {
        const agent = await findAgent(db, actor, params.agentId, query.companyId);
        const [state, session] = await Promise.all([
          db.query.agentRuntimeState.findFirst({
            where: (table, { eq }) => eq(table.agentId, agent.id),
          }),
          db.query.agentTaskSessions.findFirst({
            where: (table, { eq }) => eq(table.agentId, agent.id),
            orderBy: (table, { desc }) => desc(table.updatedAt),
          }),
        ]);
        return {
          // An agent that never ran has no row; its state is the empty one.
          ...(state ?? emptyState(agent)),
          sessionDisplayId: session?.sessionDisplayId ?? state?.sessionId ?? null,
          sessionParamsJson: session?.sessionParamsJson ?? null,
        };
      },
    }),
    route({
      method: "GET",
      path: "/api/agents/:agentId/task-sessions",
      summary: "Sessions by task, the last used first",
      params: agentParams,
      query: agentQuery,
      boardOnly: true,
      handle: async ({ params, query, actor }) => {
        const agent = await findAgent(db, actor, params.agentId, query.companyId);
        return db.query.agentTaskSessions.findMany({
          where: (table, { eq }) => eq(table.agentId, agent.id),
          orderBy: (table, { desc }) => [desc(table.updatedAt), desc(table.createdAt)],
          limit: 1_000,
        });
      },
    }),
  ];
}

const emptyState = (agent: {
  id: string;
  companyId: string;
  adapterType: string;
  createdAt: Date;
}) => ({
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
  lastError: null,
  createdAt: agent.createdAt,
  updatedAt: agent.createdAt,
});
