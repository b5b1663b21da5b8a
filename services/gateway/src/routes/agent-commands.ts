/** Pause, resume, terminate: commands to the mailbox, answered when the agent's row shows them. */
import type { Activity } from "../activity.js";
import { requester } from "../auth.js";
import type { Context } from "../context.js";
import { conflict } from "../errors.js";
import { agentParams, agentQuery, findAgent } from "../lookup.js";
import type { AgentRow } from "../lookup.js";
import { presentAgent } from "../present.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** How long a status may take to show. Runs that it cancels take their own time to die. */
const statusMs = 10_000;

const verbs = {
  pause: {
    done: "agent.paused",
    shows: (status: string) => status === "paused",
    refuse: { terminated: "Cannot pause terminated agent" } as Record<string, string>,
  },
  resume: {
    done: "agent.resumed",
    shows: (status: string) => status !== "paused",
    refuse: {
      terminated: "Cannot resume terminated agent",
      pending_approval: "Pending approval agents cannot be activated directly",
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
  const { db, activity } = context;
  return (Object.keys(verbs) as Verb[]).map((verb) =>
    route({
      method: "POST",
      path: `/api/agents/:agentId/${verb}`,
      summary: `Asks the agent's actor to ${verb} it; 202 when that takes longer than 10 s`,
      params: agentParams,
      query: agentQuery,
      boardOnly: true,
      handle: async ({ params, query, actor, runId, status }) => {
        const agent = await findAgent(db, actor, params.agentId, query.companyId);
        const refused = verbs[verb].refuse[agent.status];
        if (refused) throw conflict(refused);
        const changed = await command(context, agent, verb, actor);
        if (!changed) status(202);
        const entry: Activity = {
          companyId: agent.companyId,
          actor,
          runId,
          action: verbs[verb].done,
          entityType: "agent",
          entityId: agent.id,
        };
        await activity.write(db, entry);
        activity.tell(entry);
        return presentAgent(changed ?? agent);
      },
    }),
  );
}

/** The row that shows the command's effect; null when it does not in time. */
async function command(
  { db, commands, live }: Context,
  agent: AgentRow,
  verb: Verb,
  actor: Activity["actor"],
): Promise<AgentRow | null> {
  const { actorType, actorId } = requester(actor);
  await commands.send(agent.companyId, agent.id, verb, { actorType, actorId });
  return live.until(agent.companyId, statusMs, async () => {
    const row = await findAgent(db, actor, agent.id);
    return verbs[verb].shows(row.status) ? row : null;
  });
}
