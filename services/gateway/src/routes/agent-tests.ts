/** Would a run of this agent work now? Asked of a runner, with the agent's own configuration and its project's workspaces. */
import { environmentTestSchema } from "@reveille/shared/protocol/probe";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import type { Context } from "../context.js";
import { agentParams, agentQuery, findAgent } from "../lookup.js";
import { ownRoute } from "../own-route.js";
import { requireMayUpdate } from "../permissions.js";
import type { AnyRoute } from "../route.js";
import { findProject, workspacesOf } from "../workspaces.js";
import { testConfiguration } from "./adapters.js";

export function agentTestRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  return [
    ownRoute({
      method: "POST",
      path: "/api/agents/:agentId/test-environment",
      summary: "Asks a runner whether a run of this agent would work there; starts none",
      params: agentParams,
      query: agentQuery,
      body: z.object({
        projectId: uuidSchema
          .optional()
          .describe(
            "Whose workspaces are looked at; left out: those of its newest issue's project",
          ),
      }),
      responses: { 200: environmentTestSchema },
      handle: async ({ params, query, body, actor }) => {
        const agent = await findAgent(db, actor, params.agentId, query.companyId);
        await requireMayUpdate(db, actor, agent);
        const projectId = body.projectId
          ? (await findProject(db, actor, body.projectId)).id
          : await newestProject(context, agent.id);
        const workspaces = projectId === null ? [] : await workspacesOf(db, [projectId]);
        return testConfiguration(context, {
          companyId: agent.companyId,
          adapterType: agent.adapterType,
          adapterConfig: (agent.adapterConfig ?? {}) as Record<string, unknown>,
          workspaces: workspaces
            .slice(0, workspacesMax)
            .map(({ cwd, repoUrl, repoRef }) => ({ cwd, repoUrl, repoRef })),
        });
      },
    }),
  ];
}

/** As many as an execution carries. */
const workspacesMax = 100;

async function newestProject({ db }: Context, agentId: string): Promise<string | null> {
  const issue = await db.query.issues.findFirst({
    columns: { projectId: true },
    where: (table, { and, eq, isNotNull }) =>
      and(eq(table.assigneeAgentId, agentId), isNotNull(table.projectId)),
    orderBy: (table, { desc }) => desc(table.createdAt),
  });
  return issue?.projectId ?? null;
}
