/** What agents may do to others: their role and their row's permissions say it. People may do everything. */
import type { Database } from "@reveille/shared/postgres/pool";
import type { Actor } from "./auth.js";
import { forbidden } from "./errors.js";
import type { AgentRow } from "./lookup.js";

/** The role that may create agents and assign work unless its row says otherwise. */
const chief = "ceo";

/** The permissions of a row with their defaults. */
export function permissionsOf(agent: { role: string; permissions: unknown }): {
  canCreateAgents: boolean;
} {
  const said = (agent.permissions as { canCreateAgents?: unknown } | null)?.canCreateAgents;
  return { canCreateAgents: typeof said === "boolean" ? said : agent.role === chief };
}

/** The row of the calling agent; null for the board. */
async function caller(
  db: Database,
  actor: Actor,
): Promise<{ id: string; role: string; permissions: unknown } | null> {
  if (actor.type === "board") return null;
  const agent = await db.query.agents.findFirst({
    columns: { id: true, role: true, permissions: true },
    where: (table, { eq }) => eq(table.id, actor.id),
  });
  if (!agent) throw forbidden("Agent authentication required");
  return agent;
}

/** Which also means: read the configuration of others. */
export async function mayCreateAgents(db: Database, actor: Actor): Promise<boolean> {
  const agent = await caller(db, actor);
  return agent === null || permissionsOf(agent).canCreateAgents;
}

/** @throws HttpError 403. */
export async function requireMayCreateAgents(db: Database, actor: Actor): Promise<void> {
  if (!(await mayCreateAgents(db, actor))) throw forbidden("Missing permission: can create agents");
}

/** Itself, the chief, and who may create agents. @throws HttpError 403. */
export async function requireMayUpdate(
  db: Database,
  actor: Actor,
  target: AgentRow,
): Promise<void> {
  const agent = await caller(db, actor);
  if (agent === null || agent.id === target.id || agent.role === chief) return;
  if (!permissionsOf(agent).canCreateAgents)
    throw forbidden("Only CEO or agent creators can modify other agents");
}

/** @throws HttpError 403. */
export async function requireMayAssign(db: Database, actor: Actor): Promise<void> {
  const agent = await caller(db, actor);
  if (agent === null || agent.role === chief) return;
  if (!permissionsOf(agent).canCreateAgents) throw forbidden("Missing permission: tasks:assign");
}

/** @throws HttpError 403. */
export async function requireMayManagePermissions(db: Database, actor: Actor): Promise<void> {
  const agent = await caller(db, actor);
  if (agent !== null && agent.role !== chief) throw forbidden("Only CEO can manage permissions");
}

/** @throws HttpError 403. */
export async function requireMayLinkApprovals(db: Database, actor: Actor): Promise<void> {
  const agent = await caller(db, actor);
  if (agent === null || agent.role === chief) return;
  if (!permissionsOf(agent).canCreateAgents)
    throw forbidden("Missing permission to link approvals");
}
