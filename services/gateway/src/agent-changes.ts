/** Changes of an agent's row through its mailbox: asked for, and waited for until the row shows them. */
import { isDeepStrictEqual } from "node:util";
import type { AgentSettings } from "./agent-settings.js";
import { requester } from "./auth.js";
import type { Actor } from "./auth.js";
import type { Context } from "./context.js";
import { overloaded } from "./errors.js";
import { findAgent } from "./lookup.js";
import type { AgentRow } from "./lookup.js";

/** How long a change may take to show. */
const changeMs = 10_000;
/** What decisions look at; everything else is profile. */
const decisive = new Set([
  "name",
  "adapterType",
  "adapterConfig",
  "runtimeConfig",
  "budgetMonthlyCents",
]);

/**
 * The agent as it is after the change. Nothing to change: as it is.
 * @throws HttpError 503 when the change is stored and does not show in time.
 */
export async function configure(
  { db, commands, live }: Context,
  actor: Actor,
  agent: AgentRow,
  settings: AgentSettings & { permissions?: { canCreateAgents: boolean } },
): Promise<AgentRow> {
  const changes = Object.entries(settings).filter(([, value]) => value !== undefined);
  if (changes.length === 0) return agent;
  const profile = Object.fromEntries(changes.filter(([key]) => !decisive.has(key)));
  const { actorType, actorId } = requester(actor);
  await commands.send(agent.companyId, agent.id, "configure", {
    ...Object.fromEntries(changes.filter(([key]) => decisive.has(key))),
    ...(Object.keys(profile).length > 0 ? { profile } : {}),
    actorType,
    actorId,
  });
  const changed = await live.until(agent.companyId, changeMs, async () => {
    const row = await findAgent(db, actor, agent.id);
    const fields = row as Record<string, unknown>;
    return changes.every(([key, value]) => isDeepStrictEqual(fields[key], value)) ? row : null;
  });
  if (!changed) throw overloaded(503, "The change is accepted and not applied yet", 2);
  return changed;
}
