/** New agents: the one row of theirs that the gateway writes. Everything later is their actor's. */
import { agents } from "@reveille/shared/postgres/schema";
import type { Queryable } from "@reveille/shared/postgres/sql";
import { newId } from "@reveille/shared/protocol/ids";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { nextDueAfter, readTimetable } from "@reveille/shared/protocol/schedule";
import type { NewAgent } from "./agent-settings.js";
import type { Context } from "./context.js";
import type { AgentRow } from "./lookup.js";
import { permissionsOf } from "./permissions.js";

/**
 * Writes the agent with its partition, and the due time of its first timer: as if it had been due when
 * it was made. The settings have been checked.
 */
export async function insertAgent(
  on: Queryable,
  partitionCount: number,
  agent: { companyId: string; status: "idle" | "pending_approval"; settings: NewAgent },
): Promise<AgentRow> {
  const { companyId, status, settings } = agent;
  const id = newId();
  const now = new Date();
  const dueAtMs = nextDueAfter(readTimetable(settings.runtimeConfig).schedule, now.getTime());
  const [inserted] = await on
    .insert(agents)
    .values({
      ...settings,
      permissions: permissionsOf({ role: settings.role, permissions: settings.permissions ?? {} }),
      id,
      companyId,
      status,
      partition: partitionOf(id, partitionCount),
      nextTimerAt: dueAtMs === null ? null : new Date(dueAtMs),
      createdAt: now,
      updatedAt: now,
    })
    .returning();
  if (!inserted) throw new Error("the insert returned no row");
  return inserted;
}

/** Hosts read what is due soon every 10 s; twice that, and some. */
const soonMs = 30_000;

/**
 * Tells the agent of a timer that is due before hosts would find it. Nothing is lost when this is: the
 * first turn is late then, by 10 s at most.
 */
export async function announceTimer(
  { commands, logger }: Pick<Context, "commands" | "logger">,
  agent: AgentRow,
): Promise<void> {
  if (!agent.nextTimerAt || agent.nextTimerAt.getTime() > Date.now() + soonMs) return;
  await commands
    .send(agent.companyId, agent.id, "admit", {})
    .catch((error: unknown) =>
      logger.warn({ err: error, agentId: agent.id }, "a timer starts late"),
    );
}
