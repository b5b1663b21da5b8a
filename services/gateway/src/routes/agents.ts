/** Agents: made here, changed only through their mailbox ever after. */
import { z } from "zod";
import { recordActivity } from "../activity.js";
import type { Actor } from "../auth.js";
import { configure } from "../agent-changes.js";
import { announceTimer, insertAgent } from "../agent-creation.js";
import {
  agentPatchSchema,
  checkSettings,
  newAgentSchema,
  permissionsSchema,
} from "../agent-settings.js";
import type { AgentSettings } from "../agent-settings.js";
import {
  agentSchema,
  chainOfCommand,
  managerSchema,
  presentAgent,
  presentRestricted,
} from "../agent-view.js";
import type { Context } from "../context.js";
import { forbidden, unprocessable } from "../errors.js";
import { agentParams, agentQuery, companyParams, findAgent, findCompany } from "../lookup.js";
import type { AgentRow } from "../lookup.js";
import {
  mayCreateAgents,
  permissionsOf,
  requireMayManagePermissions,
  requireMayUpdate,
} from "../permissions.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** Agents in one answer, about 10 MB of JSON. */
const listMax = 10_000;

export function agentRoutes(context: Context): AnyRoute[] {
  return [list(context), create(context), one(context), patch(context), permissions(context)];
}

const list = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/companies/:companyId/agents",
    summary: "Agents of a company, oldest first, 10,000 at most",
    params: companyParams,
    responses: { 200: z.array(agentSchema) },
    handle: async ({ params, actor }) => {
      await findCompany(db, actor, params.companyId);
      const rows = await db.query.agents.findMany({
        where: (table, { and, eq, isNull }) =>
          and(eq(table.companyId, params.companyId), isNull(table.deletedAt)),
        orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
        limit: listMax,
      });
      const open = await mayCreateAgents(db, actor);
      return rows.map((row) =>
        open || row.id === actor.id ? presentAgent(row) : presentRestricted(row),
      );
    },
  });

const create = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/companies/:companyId/agents",
    summary: "A new agent",
    params: companyParams,
    body: newAgentSchema,
    responses: { 201: agentSchema },
    boardOnly: true,
    handle: async ({ params: { companyId }, body, actor, runId, status }) => {
      await findCompany(context.db, actor, companyId);
      const settings = await checkSettings(context, body, { companyId, actor, agent: null });
      const { agent, entry } = await context.db.transaction(async (tx) => {
        const made = await insertAgent(tx, context.partitionCount, {
          companyId,
          status: "idle",
          settings,
        });
        const details = { name: made.name, role: made.role };
        const told = { ...agentActivity(made, actor, runId), action: "agent.created", details };
        await context.activity.write(tx, told);
        return { agent: made, entry: told };
      });
      context.activity.tell(entry);
      await announceTimer(context, agent);
      status(201);
      return presentAgent(agent);
    },
  });

const one = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/agents/:agentId",
    summary: "One agent, by id or by short name with companyId",
    params: agentParams,
    query: agentQuery,
    responses: { 200: agentSchema.extend({ chainOfCommand: z.array(managerSchema) }) },
    handle: async ({ params, query, actor }) => {
      const agent = await findAgent(db, actor, params.agentId, query.companyId);
      const open = agent.id === actor.id || (await mayCreateAgents(db, actor));
      const shown = open ? presentAgent(agent) : presentRestricted(agent);
      return { ...shown, chainOfCommand: await chainOfCommand(db, agent) };
    },
  });

const patch = (context: Context): AnyRoute =>
  route({
    method: "PATCH",
    path: "/api/agents/:agentId",
    summary: "Changes an agent; answers when its actor has done it",
    params: agentParams,
    query: agentQuery,
    body: agentPatchSchema,
    responses: { 200: agentSchema },
    handle: async ({ params, query, body, actor, runId }) => {
      const agent = await findAgent(context.db, actor, params.agentId, query.companyId);
      await requireMayUpdate(context.db, actor, agent);
      const { permissions, status, spentMonthlyCents, ...settings } = body;
      if (actor.type === "agent" && changesBudget(agent, settings.budgetMonthlyCents))
        throw forbidden("Only the board can change budgets");
      refuseOtherWays(agent, { permissions, status, spentMonthlyCents });
      const checked = await checkSettings(context, settings, {
        companyId: agent.companyId,
        actor,
        agent,
      });
      const changed = await configure(context, actor, agent, checked);
      await recordActivity(context, {
        ...agentActivity(agent, actor, runId),
        action: "agent.updated",
        details: changedKeys(settings),
      });
      return presentAgent(changed);
    },
  });

const permissions = (context: Context): AnyRoute =>
  route({
    method: "PATCH",
    path: "/api/agents/:agentId/permissions",
    summary: "Lets an agent create agents and assign work, or not",
    params: agentParams,
    query: agentQuery,
    body: permissionsSchema,
    responses: { 200: agentSchema },
    handle: async ({ params, query, body, actor, runId }) => {
      const agent = await findAgent(context.db, actor, params.agentId, query.companyId);
      await requireMayManagePermissions(context.db, actor);
      const changed = await configure(context, actor, agent, { permissions: body });
      await recordActivity(context, {
        ...agentActivity(agent, actor, runId),
        action: "agent.permissions_updated",
        details: body,
      });
      return presentAgent(changed);
    },
  });

const changesBudget = (agent: AgentRow, cents: number | undefined): boolean =>
  cents !== undefined && cents !== agent.budgetMonthlyCents;

const agentActivity = (agent: AgentRow, actor: Actor, runId: string | null) => ({
  companyId: agent.companyId,
  actor,
  runId,
  entityType: "agent",
  entityId: agent.id,
});

/** Clients send back the whole agent that they got; only what would change is refused. */
function refuseOtherWays(
  agent: AgentRow,
  body: {
    permissions?: unknown;
    status: string | undefined;
    spentMonthlyCents: number | undefined;
  },
): void {
  const asked = body.permissions as { canCreateAgents?: unknown } | null | undefined;
  if (asked && asked.canCreateAgents !== permissionsOf(agent).canCreateAgents)
    throw unprocessable("Use /api/agents/:id/permissions for permission changes");
  if (body.status !== undefined && body.status !== agent.status)
    throw unprocessable("Use /api/agents/:id/pause, resume or terminate for changes of status");
  const spent = presentAgent(agent)["spentMonthlyCents"];
  if (body.spentMonthlyCents !== undefined && body.spentMonthlyCents !== spent)
    throw unprocessable("spentMonthlyCents follows from costs: use /api/companies/:id/cost-events");
}

/** Names of what a change touched; never a value, which may be secret. */
function changedKeys(settings: AgentSettings): Record<string, unknown> {
  const keysOf = (map: object | undefined): string[] => Object.keys(map ?? {}).toSorted();
  const given = Object.fromEntries(
    Object.entries(settings).filter(([, value]) => value !== undefined),
  );
  return {
    changedTopLevelKeys: keysOf(given),
    ...(settings.adapterConfig ? { changedAdapterConfigKeys: keysOf(settings.adapterConfig) } : {}),
    ...(settings.runtimeConfig ? { changedRuntimeConfigKeys: keysOf(settings.runtimeConfig) } : {}),
  };
}
