/** What may be said of an agent when it is made or changed, and the rules that no schema can check. */
import type { Queryable } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { retrySettingsSchema } from "@reveille/shared/protocol/retry-settings";
import { scheduleFault } from "@reveille/shared/protocol/schedule";
import { z } from "zod";
import type { Actor } from "./auth.js";
import { normalizeBindings } from "./bindings.js";
import type { Context } from "./context.js";
import { badField, notFound, unprocessable, validationError } from "./errors.js";

const jsonObject = z.record(z.string(), z.unknown());
/** 2^31 - 1: what the column holds. */
export const centsSchema = z.number().int().min(0).max(2_147_483_647);

const fields = {
  name: z.string().min(1).max(200),
  role: z.string().min(1).max(64),
  title: z.string().max(200).nullish(),
  icon: z.string().max(100).nullish(),
  reportsTo: uuidSchema.nullish(),
  capabilities: z.string().max(10_000).nullish(),
  adapterType: z.string().min(1).max(64),
  adapterConfig: jsonObject,
  runtimeConfig: jsonObject,
  budgetMonthlyCents: centsSchema,
  metadata: jsonObject.nullish(),
};
export const permissionsSchema = z.object({ canCreateAgents: z.boolean() });

export const newAgentSchema = z.object({
  ...fields,
  role: fields.role.default("general"),
  adapterType: fields.adapterType.default("process"),
  adapterConfig: fields.adapterConfig.default({}),
  runtimeConfig: fields.runtimeConfig.default({}),
  budgetMonthlyCents: centsSchema.default(0),
  permissions: permissionsSchema.partial().optional(),
});
export const agentPatchSchema = z.object({
  ...z.object(fields).partial().shape,
  /** These have ways of their own; a patch that would change them is refused, not overlooked. */
  permissions: z.unknown().optional(),
  status: z.string().max(40).optional(),
  spentMonthlyCents: centsSchema.optional(),
});
export type NewAgent = z.output<typeof newAgentSchema>;
export type AgentSettings = Omit<
  z.output<typeof agentPatchSchema>,
  "permissions" | "status" | "spentMonthlyCents"
>;

/**
 * The settings with the adapter's variables in stored form.
 * @throws HttpError 400, 403, 404, 422: unknown adapter or pool, bad timer, bad variable, manager of another company.
 */
export async function checkSettings<Settings extends AgentSettings>(
  context: Context,
  settings: Settings,
  about: {
    companyId: string;
    actor: Actor;
    agent: { id: string; adapterConfig: unknown; runtimeConfig: unknown } | null;
  },
): Promise<Settings> {
  if (settings.adapterType !== undefined) await context.adapters.requireKnown(settings.adapterType);
  if (settings.runtimeConfig) {
    const fault = scheduleFault(settings.runtimeConfig);
    if (fault) throw badField(["runtimeConfig", ...fault.path], fault.message);
    const retry = retrySettingsSchema.nullish().safeParse(settings.runtimeConfig["retry"]);
    if (!retry.success) throw validationError(retry.error.issues, ["runtimeConfig", "retry"]);
    context.runnerPools.requireKnown(settings.runtimeConfig, about.agent?.runtimeConfig);
  }
  if (settings.reportsTo)
    await requireManager(context.db, about.companyId, settings.reportsTo, about.agent?.id ?? null);
  if (!settings.adapterConfig) return settings;
  const adapterConfig = await normalizeBindings(settings.adapterConfig, {
    pool: context.pool,
    companyId: about.companyId,
    actor: about.actor,
    strict: context.secrets.strict,
    before: about.agent?.adapterConfig ?? null,
  });
  return { ...settings, adapterConfig };
}

/** Managers above a manager that are looked at; a longer chain is refused as a circle would be. */
const levelsMax = 50;

/** @throws HttpError 404 (no such agent), 422 (another company's, itself, or a circle). */
async function requireManager(
  on: Queryable,
  companyId: string,
  managerId: string,
  agentId: string | null,
): Promise<void> {
  if (managerId === agentId) throw unprocessable("Agent cannot report to itself");
  let next: string | null = managerId;
  for (let level = 0; next !== null; level += 1) {
    if (next === agentId || level > levelsMax)
      throw unprocessable("Reporting relationship would create cycle");
    const id: string = next;
    const manager: { companyId: string; reportsTo: string | null } | undefined =
      await on.query.agents.findFirst({
        columns: { companyId: true, reportsTo: true },
        where: (table, { and, eq, isNull }) => and(eq(table.id, id), isNull(table.deletedAt)),
      });
    // Another company's agent is not there, for who asks.
    if (level === 0 && (!manager || manager.companyId !== companyId)) throw notFound("Manager");
    next = manager?.reportsTo ?? null;
  }
}
