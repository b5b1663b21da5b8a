/** Pause, resume, terminate, delete: commands to the mailbox, answered when the agent's row shows them. */
import { agentApiKeys } from "@reveille/shared/postgres/schema";
import { and, eq, isNull, sql } from "@reveille/shared/postgres/sql";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import type { Actor } from "../auth.js";
import { requester } from "../auth.js";
import { agentSchema, presentAgent } from "../agent-view.js";
import type { Context } from "../context.js";
import { conflict } from "../errors.js";
import { agentParams, agentQuery, findAgent } from "../lookup.js";
import type { AgentRow } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** How long a status may take to show. Runs that it cancels take their own time to die. */
const statusMs = 10_000;
/** A deletion shows when the last process tree is dead: twice the default grace of a process (15 s). */
const deleteMs = 30_000;
/** Agents below a deleted one that are told: more than any manager has. */
const reportsMax = 1_000;

const verbs = {
  pause: {
    done: "agent.paused",
    shows: (status: string) => status === "paused",
    refuse: {
      terminated: "Cannot pause terminated agent",
      pending_approval: "Pending approval agents cannot be paused",
    } as Record<string, string>,
  },
  resume: {
    done: "agent.resumed",
    shows: (status: string) => status !== "paused",
    refuse: {
      terminated: "Cannot resume terminated agent",
      pending_approval: "Pending approval agents cannot be resumed",
    } as Record<string, string>,
  },
  terminate: {
    done: "agent.terminated",
    shows: (status: string) => status === "terminated",
    refuse: {} as Record<string, string>,
  },
};
type Verb = keyof typeof verbs;

export function agentCommandRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  const commands = (Object.keys(verbs) as Verb[]).map((verb) =>
    route({
      method: "POST",
      path: `/api/agents/:agentId/${verb}`,
      summary: `Asks the agent's actor to ${verb} it; 202 when that takes longer than 10 s`,
      params: agentParams,
      query: agentQuery,
      responses: { 200: agentSchema, 202: agentSchema },
      boardOnly: true,
      handle: async ({ params, query, actor, runId, status }) => {
        const agent = await findAgent(db, actor, params.agentId, query.companyId);
        const refused = verbs[verb].refuse[agent.status];
        if (refused) throw conflict(refused);
        const changed = await command(context, agent, verb, actor);
        if (!changed) status(202);
        if (verb === "terminate") await revokeKeys(context, agent.id);
        await tell(context, agent, verbs[verb].done, { actor, runId });
        return presentAgent(changed ?? agent);
      },
    }),
  );
  return [...commands, deletion(context)];
}

const deletion = (context: Context): AnyRoute =>
  route({
    method: "DELETE",
    path: "/api/agents/:agentId",
    summary:
      "Deletes an agent: its runs are cancelled, and when the last process is dead it is gone; 202 when that takes longer than 30 s",
    params: agentParams,
    query: agentQuery,
    responses: {
      200: z.strictObject({ ok: z.literal(true) }),
      202: z.strictObject({ ok: z.literal(true) }),
    },
    boardOnly: true,
    handle: async ({ params, query, actor, runId, status }) => {
      const agent = await findAgent(context.db, actor, params.agentId, query.companyId);
      const { actorType, actorId } = requester(actor);
      await context.commands.send(agent.companyId, agent.id, "delete", { actorType, actorId });
      const gone = await context.live.until(agent.companyId, deleteMs, async () => {
        const row = await context.db.query.agents.findFirst({
          columns: { deletedAt: true },
          where: (table, operators) => operators.eq(table.id, agent.id),
        });
        return !row || row.deletedAt ? true : null;
      });
      if (!gone) status(202);
      await revokeKeys(context, agent.id);
      await detachReports(context, agent, actor);
      await tell(context, agent, "agent.deleted", { actor, runId });
      return { ok: true };
    },
  });

/** The row that shows the command's effect; null when it does not in time. */
async function command(
  { db, commands, live }: Context,
  agent: AgentRow,
  verb: Verb,
  actor: Actor,
): Promise<AgentRow | null> {
  const { actorType, actorId } = requester(actor);
  await commands.send(agent.companyId, agent.id, verb, { actorType, actorId });
  return live.until(agent.companyId, statusMs, async () => {
    const row = await findAgent(db, actor, agent.id);
    return verbs[verb].shows(row.status) ? row : null;
  });
}

const tell = (
  context: Context,
  agent: AgentRow,
  action: string,
  who: { actor: Actor; runId: string | null },
): Promise<void> =>
  recordActivity(context, {
    ...who,
    companyId: agent.companyId,
    action,
    entityType: "agent",
    entityId: agent.id,
  });

/** They would be refused in any case: this says so in their rows. */
async function revokeKeys({ db }: Context, agentId: string): Promise<void> {
  await db
    .update(agentApiKeys)
    .set({ revokedAt: sql`now()` })
    .where(and(eq(agentApiKeys.agentId, agentId), isNull(agentApiKeys.revokedAt)));
}

/** Who reported to it reports to nobody. */
async function detachReports({ db, commands }: Context, agent: AgentRow, actor: Actor) {
  const reports = await db.query.agents.findMany({
    columns: { id: true },
    where: (table, operators) =>
      operators.and(
        operators.eq(table.companyId, agent.companyId),
        operators.eq(table.reportsTo, agent.id),
      ),
    limit: reportsMax,
  });
  const { actorType, actorId } = requester(actor);
  for (const { id } of reports)
    await commands.send(agent.companyId, id, "configure", {
      profile: { reportsTo: null },
      actorType,
      actorId,
    });
}
