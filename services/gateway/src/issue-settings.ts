/** What may be said of an issue, and the rules that no schema can check. */
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import type { Actor } from "./auth.js";
import { normalizeBindings } from "./bindings.js";
import type { Context } from "./context.js";
import { forbidden } from "./errors.js";
import { issueStatuses } from "./issue-rules.js";
import type { IssueRow } from "./lookup.js";
import { requireMayAssign } from "./permissions.js";

const overridesSchema = z.strictObject({
  adapterConfig: z.record(z.string(), z.unknown()).optional(),
  useProjectWorkspace: z.boolean().optional(),
});
const fields = {
  title: z.string().trim().min(1).max(500),
  description: z.string().max(200_000).nullish(),
  status: z.enum(issueStatuses),
  priority: z.enum(["critical", "high", "medium", "low"]),
  projectId: uuidSchema.nullish(),
  parentId: uuidSchema.nullish(),
  goalId: uuidSchema.nullish(),
  assigneeAgentId: uuidSchema.nullish(),
  assigneeUserId: z.string().max(255).nullish(),
  billingCode: z.string().max(255).nullish(),
  /** Agents cannot set it: it changes what is run for them. */
  assigneeAdapterOverrides: overridesSchema.nullish(),
};
export const newIssueSchema = z.object({
  ...fields,
  status: fields.status.default("backlog"),
  priority: fields.priority.default("medium"),
  requestDepth: z.number().int().min(0).max(1_000).default(0),
});
export const issuePatchSchema = z
  .object({ ...fields, hiddenAt: z.iso.datetime().nullish() })
  .partial()
  .extend({ comment: z.string().min(1).max(100_000).optional() });
export type NewIssue = z.output<typeof newIssueSchema>;
export type IssueChanges = Omit<z.output<typeof issuePatchSchema>, "comment">;

type Assigning = Pick<
  IssueChanges,
  "assigneeAgentId" | "assigneeUserId" | "assigneeAdapterOverrides"
>;

/**
 * The overrides in stored form.
 * @throws HttpError 400, 403, 422.
 */
export async function checkOverrides<Body extends Assigning>(
  { pool, secrets }: Context,
  actor: Actor,
  companyId: string,
  body: Body,
): Promise<Body> {
  const overrides = body.assigneeAdapterOverrides;
  if (!overrides) return body;
  if (actor.type === "agent") throw forbidden("Agents cannot set assigneeAdapterOverrides");
  if (!overrides.adapterConfig) return body;
  const adapterConfig = await normalizeBindings(overrides.adapterConfig, {
    pool,
    companyId,
    actor,
    strict: secrets.strict,
    before: null,
  });
  return { ...body, assigneeAdapterOverrides: { ...overrides, adapterConfig } };
}

/** Who gives work to others; everybody may give back what he got. @throws HttpError 403. */
export async function requireMayReassign(
  context: Context,
  actor: Actor,
  before: IssueRow | null,
  body: Assigning,
): Promise<void> {
  const { assigneeAgentId: agent, assigneeUserId: user } = body;
  const changes =
    (agent !== undefined && agent !== (before?.assigneeAgentId ?? null)) ||
    (user !== undefined && user !== (before?.assigneeUserId ?? null));
  if (!changes) return;
  const returns =
    before !== null &&
    actor.type === "agent" &&
    before.assigneeAgentId === actor.id &&
    agent === null &&
    typeof user === "string" &&
    user === before.createdByUserId;
  if (!returns) await requireMayAssign(context.db, actor);
}
