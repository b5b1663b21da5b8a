/** The caller itself, by its credential: what an agent asks first. */
import { z } from "zod";
import { agentSchema, chainOfCommand, managerSchema, presentAgent } from "../agent-view.js";
import type { Context } from "../context.js";
import { HttpError } from "../errors.js";
import { findAgent } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

export function meRoutes({ db }: Context): AnyRoute[] {
  return [
    route({
      method: "GET",
      path: "/api/agents/me",
      summary: "The agent whose key or run's token this is",
      responses: { 200: agentSchema.extend({ chainOfCommand: z.array(managerSchema) }) },
      handle: async ({ actor }) => {
        if (actor.type !== "agent") throw new HttpError(401, "Agent authentication required");
        const agent = await findAgent(db, actor, actor.id);
        return { ...presentAgent(agent), chainOfCommand: await chainOfCommand(db, agent) };
      },
    }),
  ];
}
