/** Agents as an organisation and as configurations: for those who plan, not for those who run. */
import { z } from "zod";
import { configurationSchema, presentConfiguration } from "../agent-view.js";
import type { Context } from "../context.js";
import { agentParams, agentQuery, companyParams, findAgent, findCompany } from "../lookup.js";
import type { AgentRow } from "../lookup.js";
import { requireMayCreateAgents } from "../permissions.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** As in the list of agents. */
const listMax = 10_000;
/** Levels below the top that are shown: more are a mistake. */
const levelsMax = 50;

interface OrgNode {
  id: string;
  name: string;
  role: string;
  status: string;
  reports: OrgNode[];
}
const orgNodeSchema: z.ZodType<OrgNode> = z
  .strictObject({
    id: z.string(),
    name: z.string(),
    role: z.string(),
    status: z.string(),
    get reports() {
      return z.array(orgNodeSchema);
    },
  })
  .meta({ id: "OrgNode" });

export function agentConfigurationRoutes({ db }: Context): AnyRoute[] {
  const agentsOf = (companyId: string): Promise<AgentRow[]> =>
    db.query.agents.findMany({
      where: (table, { and, eq, isNull }) =>
        and(eq(table.companyId, companyId), isNull(table.deletedAt)),
      orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
      limit: listMax,
    });
  return [
    route({
      method: "GET",
      path: "/api/companies/:companyId/org",
      summary: "Who reports to whom, from the top",
      params: companyParams,
      responses: { 200: z.array(orgNodeSchema) },
      handle: async ({ params, actor }) => {
        await findCompany(db, actor, params.companyId);
        return orgTree(await agentsOf(params.companyId));
      },
    }),
    route({
      method: "GET",
      path: "/api/companies/:companyId/agent-configurations",
      summary: "What each agent is configured to do, secrets hidden",
      params: companyParams,
      responses: { 200: z.array(configurationSchema) },
      handle: async ({ params, actor }) => {
        await findCompany(db, actor, params.companyId);
        await requireMayCreateAgents(db, actor);
        return (await agentsOf(params.companyId)).map(presentConfiguration);
      },
    }),
    route({
      method: "GET",
      path: "/api/agents/:agentId/configuration",
      summary: "What an agent is configured to do, secrets hidden",
      params: agentParams,
      query: agentQuery,
      responses: { 200: configurationSchema },
      handle: async ({ params, query, actor }) => {
        const agent = await findAgent(db, actor, params.agentId, query.companyId);
        await requireMayCreateAgents(db, actor);
        return presentConfiguration(agent);
      },
    }),
  ];
}

/** Agents whose manager is gone stand at the top, too. */
function orgTree(agents: readonly AgentRow[]): OrgNode[] {
  const known = new Set(agents.map(({ id }) => id));
  const reportsOf = new Map<string | null, AgentRow[]>();
  for (const agent of agents) {
    const manager = agent.reportsTo && known.has(agent.reportsTo) ? agent.reportsTo : null;
    const reports = reportsOf.get(manager);
    if (reports) reports.push(agent);
    else reportsOf.set(manager, [agent]);
  }
  const nodesBelow = (managerId: string | null, level: number): OrgNode[] =>
    level > levelsMax
      ? []
      : (reportsOf.get(managerId) ?? []).map(({ id, name, role, status }) => ({
          id,
          name,
          role,
          status,
          reports: nodesBelow(id, level + 1),
        }));
  return nodesBelow(null, 0);
}
