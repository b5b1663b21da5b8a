/** Issues: the work. What an assignment causes commits with it as an owed wake. */
import { companies, issues } from "@reveille/shared/postgres/schema";
import { eq, sql } from "@reveille/shared/postgres/sql";
import { newId, uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import type { Activity } from "../activity.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { forbidden, notFound, unprocessable } from "../errors.js";
import { issueStatuses, requireAssignable, requireRelated, statusTimes } from "../issue-rules.js";
import { assignmentWakes } from "../issue-wakes.js";
import { companyParams, findCompany, findIssue, issueParams } from "../lookup.js";
import type { IssueRow } from "../lookup.js";
import type { OwedWake } from "../owed-wakes.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import { addComment } from "./issue-comments.js";

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
  assigneeAdapterOverrides: z.record(z.string(), z.unknown()).nullish(),
};
const createSchema = z.object({
  ...fields,
  status: fields.status.default("backlog"),
  priority: fields.priority.default("medium"),
  requestDepth: z.number().int().min(0).max(1_000).default(0),
});
const patchSchema = z
  .object({ ...fields, hiddenAt: z.iso.datetime().nullish() })
  .partial()
  .extend({ comment: z.string().min(1).max(100_000).optional() });
const listQuery = z.object({
  status: z.string().max(200).optional(),
  assigneeAgentId: uuidSchema.optional(),
  projectId: uuidSchema.optional(),
  q: z.string().max(200).optional(),
});

export function issueRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  return [
    route({
      method: "GET",
      path: "/api/companies/:companyId/issues",
      summary: "Issues, the last changed first, 1,000 at most",
      params: companyParams,
      query: listQuery,
      handle: async ({ params, query, actor }) => {
        await findCompany(db, actor, params.companyId);
        return listIssues(context, params.companyId, query);
      },
    }),
    route({
      method: "POST",
      path: "/api/companies/:companyId/issues",
      summary: "A new issue; its assignee is woken",
      params: companyParams,
      body: createSchema,
      handle: async ({ params, body, actor, runId, status }) => {
        await findCompany(db, actor, params.companyId);
        refuseOverrides(actor, body);
        const { issue, wakes, created } = await insertIssue(context, params.companyId, body, {
          actor,
          runId,
        });
        context.activity.tell(created);
        context.owed.publish(wakes);
        status(201);
        return issue;
      },
    }),
    route({
      method: "GET",
      path: "/api/issues/:issueId",
      summary: "One issue, by id or key",
      params: issueParams,
      handle: ({ params, actor }) => findIssue(db, actor, params.issueId),
    }),
    route({
      method: "PATCH",
      path: "/api/issues/:issueId",
      summary: "Changes an issue; a new assignee is woken, and a comment does what comments do",
      params: issueParams,
      body: patchSchema,
      handle: async ({ params, body: { comment, ...body }, actor, runId }) => {
        refuseOverrides(actor, body);
        const before = await findIssue(db, actor, params.issueId);
        const { issue, wakes, updated } = await updateIssue(context, before.id, body, {
          actor,
          runId,
        });
        context.activity.tell(updated);
        context.owed.publish(wakes);
        if (comment === undefined) return issue;
        const said = await addComment(context, issue, { body: comment }, { actor, runId });
        return { ...issue, comment: said };
      },
    }),
  ];
}

interface Who {
  actor: Actor;
  runId: string | null;
}

function listIssues({ db }: Context, companyId: string, query: z.output<typeof listQuery>) {
  const known = (query.status ?? "").split(",").filter((each) => each !== "");
  return db.query.issues.findMany({
    where: (table, { and, eq: is, ilike, inArray, isNull, or }) =>
      and(
        is(table.companyId, companyId),
        isNull(table.hiddenAt),
        known.length > 0 ? inArray(table.status, known) : undefined,
        query.assigneeAgentId ? is(table.assigneeAgentId, query.assigneeAgentId) : undefined,
        query.projectId ? is(table.projectId, query.projectId) : undefined,
        query.q
          ? or(
              ilike(table.title, `%${likeText(query.q)}%`),
              ilike(table.identifier, `%${likeText(query.q)}%`),
            )
          : undefined,
      ),
    orderBy: (table, { desc }) => [desc(table.updatedAt), desc(table.id)],
    limit: 1_000,
  });
}

const likeText = (text: string): string => text.replaceAll("\0", "").replace(/[\\%_]/g, "\\$&");

function refuseOverrides(actor: Actor, body: { assigneeAdapterOverrides?: unknown }): void {
  if (actor.type === "agent" && body.assigneeAdapterOverrides)
    throw forbidden("Agents cannot set assigneeAdapterOverrides");
}

async function insertIssue(
  { db, activity, owed }: Context,
  companyId: string,
  body: z.output<typeof createSchema>,
  { actor, runId }: Who,
) {
  await requireAssignable(db, companyId, body.assigneeAgentId);
  await requireRelated(db, companyId, body);
  if (body.status === "in_progress" && !body.assigneeAgentId && !body.assigneeUserId)
    throw unprocessable("in_progress issues require an assignee");
  const now = new Date();
  return db.transaction(async (tx) => {
    const [company] = await tx
      .update(companies)
      .set({ issueCounter: sql`${companies.issueCounter} + 1` })
      .where(eq(companies.id, companyId))
      .returning({ number: companies.issueCounter, prefix: companies.issuePrefix });
    if (!company) throw notFound("Company");
    const [issue] = await tx
      .insert(issues)
      .values({
        ...body,
        ...statusTimes(body.status, null, now),
        companyId,
        issueNumber: company.number,
        identifier: `${company.prefix}-${company.number}`,
        createdByAgentId: actor.type === "agent" ? actor.id : null,
        createdByUserId: actor.type === "board" ? actor.id : null,
        createdAt: now,
        updatedAt: now,
      })
      .returning();
    if (!issue) throw new Error("the insert returned no row");
    const wakes = assignmentWakes(issue, actor, "create", issue.id);
    await owed.owe(tx, wakes);
    const created: Activity = {
      companyId,
      actor,
      runId,
      action: "issue.created",
      entityType: "issue",
      entityId: issue.id,
      details: { title: issue.title, identifier: issue.identifier },
    };
    await activity.write(tx, created);
    return { issue, wakes, created };
  });
}

async function updateIssue(
  { db, activity, owed }: Context,
  issueId: string,
  body: Omit<z.output<typeof patchSchema>, "comment">,
  { actor, runId }: Who,
): Promise<{ issue: IssueRow; wakes: OwedWake[]; updated: Activity }> {
  const now = new Date();
  return db.transaction(async (tx) => {
    const [before] = await tx.select().from(issues).where(eq(issues.id, issueId)).for("update");
    if (!before) throw notFound("Issue");
    await requireAssignable(tx, before.companyId, body.assigneeAgentId);
    await requireRelated(tx, before.companyId, body);
    const after = { ...before, ...defined(body) };
    if (after.status === "in_progress" && !after.assigneeAgentId && !after.assigneeUserId)
      throw unprocessable("in_progress issues require an assignee");
    const reassigned = after.assigneeAgentId !== before.assigneeAgentId;
    const moved = after.status !== before.status;
    const [issue] = await tx
      .update(issues)
      .set({
        ...defined(body),
        ...(body.hiddenAt === undefined ? {} : { hiddenAt: dateOf(body.hiddenAt) }),
        ...(moved ? statusTimes(after.status, before, now) : {}),
        ...(reassigned || (moved && after.status !== "in_progress") ? { checkoutRunId: null } : {}),
        updatedAt: now,
      })
      .where(eq(issues.id, issueId))
      .returning();
    if (!issue) throw notFound("Issue");
    // A change has no id of its own; a random one, kept with the row, is as lasting.
    const wakes = reassigned ? assignmentWakes(issue, actor, "update", newId()) : [];
    await owed.owe(tx, wakes);
    const updated: Activity = {
      companyId: issue.companyId,
      actor,
      runId,
      action: "issue.updated",
      entityType: "issue",
      entityId: issue.id,
      details: { ...defined(body), identifier: issue.identifier },
    };
    await activity.write(tx, updated);
    return { issue, wakes, updated };
  });
}

const dateOf = (text: string | null): Date | null => (text === null ? null : new Date(text));

/** Without the keys that were left out. `hiddenAt` is text here and a date in the row. */
function defined<T extends { hiddenAt?: unknown }>(body: T) {
  const { hiddenAt: _, ...rest } = body;
  return Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  ) as Partial<Pick<IssueRow, Exclude<keyof T, "hiddenAt"> & keyof IssueRow>>;
}
