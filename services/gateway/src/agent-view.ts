/** An agent as the API shows it: its row, without what only its actor uses, and what follows from it. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { agents } from "@reveille/shared/postgres/schema";
import type { Database } from "@reveille/shared/postgres/pool";
import { z } from "zod";
import { urlKeyOf } from "./lookup.js";
import type { AgentRow } from "./lookup.js";
import { permissionsOf } from "./permissions.js";
import { redacted } from "./redaction.js";

export const agentSchema = rowSchema(agents)
  .omit({ partition: true, spendMonth: true, nextRetryAt: true, deletedAt: true })
  .extend({
    /** Its name as a part of URLs; its id when nothing of the name is left. */
    urlKey: z.string(),
  });

/** The month that spend is counted in: UTC, `YYYY-MM`. */
export const currentMonth = (): string => new Date().toISOString().slice(0, 7);

export function presentAgent(agent: AgentRow): Record<string, unknown> {
  const { partition: _, spendMonth, nextRetryAt: __, deletedAt: ___, ...rest } = agent;
  // Its actor starts the new month with the first cost of it.
  const spent =
    spendMonth === currentMonth() ? {} : { spentMonthlyCents: 0, spentMonthlyMicros: 0 };
  return {
    ...rest,
    ...spent,
    permissions: permissionsOf(agent),
    urlKey: urlKeyOf(agent.name) || agent.id,
  };
}

/** For agents that may not read the configuration of others. */
export const presentRestricted = (agent: AgentRow): Record<string, unknown> => ({
  ...presentAgent(agent),
  adapterConfig: {},
  runtimeConfig: {},
});

export const configurationSchema = agentSchema.pick({
  id: true,
  companyId: true,
  name: true,
  role: true,
  title: true,
  status: true,
  reportsTo: true,
  adapterType: true,
  adapterConfig: true,
  runtimeConfig: true,
  permissions: true,
  updatedAt: true,
});
/** What an agent is configured to do, with everything that looks like a secret hidden. */
export const presentConfiguration = (agent: AgentRow): Record<string, unknown> => ({
  id: agent.id,
  companyId: agent.companyId,
  name: agent.name,
  role: agent.role,
  title: agent.title,
  status: agent.status,
  reportsTo: agent.reportsTo,
  adapterType: agent.adapterType,
  adapterConfig: redacted(agent.adapterConfig),
  runtimeConfig: redacted(agent.runtimeConfig),
  permissions: permissionsOf(agent),
  updatedAt: agent.updatedAt,
});

/** Superiors that are shown: deeper companies are a mistake. */
const chainMax = 50;

export const managerSchema = z.strictObject({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  title: z.string().nullable(),
});
export type Manager = z.infer<typeof managerSchema>;

/** Its manager, the manager of that one, and so on; ends at a circle. */
export async function chainOfCommand(db: Database, agent: AgentRow): Promise<Manager[]> {
  const chain: Manager[] = [];
  const seen = new Set([agent.id]);
  let next = agent.reportsTo;
  while (next && !seen.has(next) && chain.length < chainMax) {
    seen.add(next);
    const id: string = next;
    const manager = await db.query.agents.findFirst({
      columns: { id: true, name: true, role: true, title: true, reportsTo: true },
      where: (table, { and, eq, isNull }) =>
        and(eq(table.id, id), eq(table.companyId, agent.companyId), isNull(table.deletedAt)),
    });
    if (!manager) break;
    const { reportsTo, ...shown } = manager;
    chain.push(shown);
    next = reportsTo;
  }
  return chain;
}
