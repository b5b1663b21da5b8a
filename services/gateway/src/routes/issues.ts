/** Issues: the work. What an assignment or a comment causes commits with it as an owed wake. */
import { companies, issueApprovals, issueComments, issues } from "@reveille/shared/postgres/schema";
import { eq, sql } from "@reveille/shared/postgres/sql";
import { newId, uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import type { Activity } from "../activity.js";
import type { Actor } from "../auth.js";
import { writeComment } from "../comment-writing.js";
import type { CommentRow } from "../comment-writing.js";
import type { Context } from "../context.js";
import { forbidden, notFound, unprocessable } from "../errors.js";
import { requireOwnership } from "../issue-ownership.js";
import { requireAssignable, requireRelated, statusTimes } from "../issue-rules.js";
import {
  checkOverrides,
  issuePatchSchema,
  newIssueSchema,
  requireMayReassign,
} from "../issue-settings.js";
import type { IssueChanges, NewIssue } from "../issue-settings.js";
import { issueDetailSchema, issueSchema, presentIssue } from "../issue-view.js";
import { assignmentWakes } from "../issue-wakes.js";
import { companyParams, findCompany, findIssue, issueParams } from "../lookup.js";
import type { IssueRow } from "../lookup.js";
import type { OwedWake } from "../owed-wakes.js";
import { redacted } from "../redaction.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";
import { commentSchema } from "./issue-comments.js";

const listQuery = z.object({
  status: z.string().max(200).optional(),
  assigneeAgentId: uuidSchema.optional(),
  /** `me`: the calling person. */
  assigneeUserId: z.string().max(255).optional(),
  projectId: uuidSchema.optional(),
  q: z.string().max(200).optional(),
});

export function issueRoutes(context: Context): AnyRoute[] {
  return [list(context), create(context), one(context), patch(context), remove(context)];
}

const list = (context: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/companies/:companyId/issues",
    summary: "Issues, the last changed first, 1,000 at most",
    params: companyParams,
    query: listQuery,
    responses: { 200: z.array(issueSchema) },
    handle: async ({ params, query, actor }) => {
      await findCompany(context.db, actor, params.companyId);
      if (query.assigneeUserId !== "me") return listIssues(context, params.companyId, query);
      if (actor.type !== "board")
        throw forbidden("assigneeUserId=me requires board authentication");
      return listIssues(context, params.companyId, { ...query, assigneeUserId: actor.id });
    },
  });

const create = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/companies/:companyId/issues",
    summary: "A new issue; its assignee is woken",
    params: companyParams,
    body: newIssueSchema,
    responses: { 201: issueSchema },
    handle: async ({ params: { companyId }, body, actor, runId, status }) => {
      await findCompany(context.db, actor, companyId);
      await requireMayReassign(context, actor, null, {
        assigneeAgentId: body.assigneeAgentId ?? null,
        assigneeUserId: body.assigneeUserId ?? null,
      });
      const checked = await checkOverrides(context, actor, companyId, body);
      const who = { actor, runId };
      const { issue, wakes, created } = await insertIssue(context, companyId, checked, who);
      context.activity.tell(created);
      context.owed.publish(wakes);
      status(201);
      return issue;
    },
  });

const one = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/issues/:issueId",
    summary: "One issue, by id or key, with what it belongs to",
    params: issueParams,
    responses: { 200: issueDetailSchema },
    handle: async ({ params, actor }) =>
      presentIssue(db, await findIssue(db, actor, params.issueId)),
  });

const patch = (context: Context): AnyRoute =>
  route({
    method: "PATCH",
    path: "/api/issues/:issueId",
    summary:
      "Changes an issue; a new assignee is woken, a comment does what comments do, nobody is woken twice",
    params: issueParams,
    body: issuePatchSchema,
    responses: { 200: issueSchema.extend({ comment: commentSchema.nullable() }) },
    handle: async ({ params, body: { comment, ...body }, actor, runId }) => {
      const seen = await findIssue(context.db, actor, params.issueId);
      await requireMayReassign(context, actor, seen, body);
      const checked = await checkOverrides(context, actor, seen.companyId, body);
      const done = await updateIssue(context, seen.id, checked, { actor, runId, comment });
      for (const entry of done.entries) context.activity.tell(entry);
      context.owed.publish(done.wakes);
      return { ...done.issue, comment: done.comment };
    },
  });

const remove = (context: Context): AnyRoute =>
  route({
    method: "DELETE",
    path: "/api/issues/:issueId",
    summary:
      "Deletes an issue; a run on it goes on, and wakes that wait for it end when it is their turn",
    params: issueParams,
    responses: { 200: issueSchema },
    handle: async ({ params, actor, runId }) => {
      const { db, activity } = context;
      const { id } = await findIssue(db, actor, params.issueId);
      const { issue, entry } = await db.transaction(async (tx) => {
        const [before] = await tx.select().from(issues).where(eq(issues.id, id)).for("update");
        if (!before) throw notFound("Issue");
        await requireOwnership(tx, before, actor, runId);
        await tx.delete(issueComments).where(eq(issueComments.issueId, id));
        await tx.delete(issueApprovals).where(eq(issueApprovals.issueId, id));
        await tx.update(issues).set({ parentId: null }).where(eq(issues.parentId, id));
        await tx.delete(issues).where(eq(issues.id, id));
        const told = activityOf(before, { actor, runId }, "issue.deleted", null);
        await activity.write(tx, told);
        return { issue: before, entry: told };
      });
      activity.tell(entry);
      return issue;
    },
  });

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
        query.assigneeUserId ? is(table.assigneeUserId, query.assigneeUserId) : undefined,
        query.projectId ? is(table.projectId, query.projectId) : undefined,
        query.q
          ? or(
              ilike(table.title, `%${likeText(query.q)}%`),
              ilike(table.identifier, `%${likeText(query.q)}%`),
              ilike(table.description, `%${likeText(query.q)}%`),
            )
          : undefined,
      ),
    orderBy: (table, { desc }) => [desc(table.updatedAt), desc(table.id)],
    limit: 1_000,
  });
}

const likeText = (text: string): string => text.replaceAll("\0", "").replace(/[\\%_]/g, "\\$&");

async function insertIssue(
  { db, activity, owed }: Context,
  companyId: string,
  body: NewIssue,
  who: Who,
) {
  await requireAssignable(db, companyId, body.assigneeAgentId);
  await requireRelated(db, companyId, body);
  if (body.status === "in_progress" && !body.assigneeAgentId && !body.assigneeUserId)
    throw unprocessable("in_progress issues require an assignee");
  const now = new Date();
  const { actor } = who;
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
    const details = { title: issue.title, identifier: issue.identifier };
    const created = activityOf(issue, who, "issue.created", details);
    await activity.write(tx, created);
    return { issue, wakes, created };
  });
}

interface Updated {
  issue: IssueRow;
  comment: CommentRow | null;
  wakes: OwedWake[];
  entries: Activity[];
}

async function updateIssue(
  context: Context,
  issueId: string,
  body: IssueChanges,
  who: Who & { comment: string | undefined },
): Promise<Updated> {
  const { db, activity, owed } = context;
  const { actor, runId } = who;
  return db.transaction(async (tx) => {
    const [before] = await tx.select().from(issues).where(eq(issues.id, issueId)).for("update");
    if (!before) throw notFound("Issue");
    const adopted = await requireOwnership(tx, before, actor, runId);
    await requireAssignable(tx, before.companyId, body.assigneeAgentId);
    await requireRelated(tx, before.companyId, body);
    const changes = changesOf(before, body);
    const [issue] = await tx.update(issues).set(changes).where(eq(issues.id, issueId)).returning();
    if (!issue) throw notFound("Issue");
    const reassigned = issue.assigneeAgentId !== before.assigneeAgentId;
    // A change has no id of its own; a random one, kept with the row, is as lasting.
    const wakes = reassigned ? assignmentWakes(issue, actor, "update", newId()) : [];
    await owed.owe(tx, wakes);
    const details = { ...redacted(defined(body)), identifier: issue.identifier };
    const entries = [activityOf(issue, who, "issue.updated", details)];
    if (adopted) entries.unshift(adopted);
    for (const entry of entries) await activity.write(tx, entry);
    if (who.comment === undefined) return { issue, comment: null, wakes, entries };
    const written = await writeComment(tx, context, {
      issue,
      body: who.comment,
      reopen: false,
      interruptedRunId: null,
      actor,
      runId,
      woken: wakes.map(({ agentId }) => agentId),
    });
    return {
      issue,
      comment: written.comment,
      wakes: [...wakes, ...written.wakes],
      entries: [...entries, ...written.entries],
    };
  });
}

/** What is written, with the times of a status. A checkout ends with its assignee or its status. */
function changesOf(before: IssueRow, body: IssueChanges) {
  const now = new Date();
  const after = { ...before, ...defined(body) };
  if (after.status === "in_progress" && !after.assigneeAgentId && !after.assigneeUserId)
    throw unprocessable("in_progress issues require an assignee");
  const moved = after.status !== before.status;
  const reassigned =
    after.assigneeAgentId !== before.assigneeAgentId ||
    after.assigneeUserId !== before.assigneeUserId;
  return {
    ...defined(body),
    ...(body.hiddenAt === undefined ? {} : { hiddenAt: dateOf(body.hiddenAt) }),
    ...(moved ? statusTimes(after.status, before, now) : {}),
    ...(reassigned || (moved && after.status !== "in_progress") ? { checkoutRunId: null } : {}),
    updatedAt: now,
  };
}

const dateOf = (text: string | null): Date | null => (text === null ? null : new Date(text));

/** Without the keys that were left out. `hiddenAt` is text here and a date in the row. */
function defined<T extends { hiddenAt?: unknown }>(body: T) {
  const { hiddenAt: _, ...rest } = body;
  return Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  ) as Partial<Pick<IssueRow, Exclude<keyof T, "hiddenAt"> & keyof IssueRow>>;
}

const activityOf = (
  issue: IssueRow,
  { actor, runId }: Who,
  action: string,
  details: Record<string, unknown> | null,
): Activity => ({
  companyId: issue.companyId,
  actor,
  runId,
  action,
  entityType: "issue",
  entityId: issue.id,
  details,
});
