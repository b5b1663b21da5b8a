/** Comments on issues, and what they cause: reopening, interrupting, waking. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { issueComments, issues } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import { requester } from "../auth.js";
import type { Actor } from "../auth.js";
import { writeComment } from "../comment-writing.js";
import type { Context } from "../context.js";
import { forbidden, notFound } from "../errors.js";
import { requireOwnership } from "../issue-ownership.js";
import { findIssue, issueParams } from "../lookup.js";
import type { IssueRow } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const bodySchema = z.object({
  body: z.string().min(1).max(100_000),
  /** Sets a closed issue back to todo. */
  reopen: z.boolean().optional(),
  /** Cancels the run that works on the issue before anybody is woken. */
  interrupt: z.boolean().optional(),
});
export const commentSchema = rowSchema(issueComments);

export function commentRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  return [
    route({
      method: "GET",
      path: "/api/issues/:issueId/comments",
      summary: "Comments, the newest first, 1,000 at most",
      params: issueParams,
      responses: { 200: z.array(commentSchema) },
      handle: async ({ params, actor }) => {
        const issue = await findIssue(db, actor, params.issueId);
        return db.query.issueComments.findMany({
          where: (table, operators) => operators.eq(table.issueId, issue.id),
          orderBy: (table, { desc }) => [desc(table.createdAt), desc(table.id)],
          limit: 1_000,
        });
      },
    }),
    route({
      method: "POST",
      path: "/api/issues/:issueId/comments",
      summary: "A new comment; assignee and mentioned agents are woken",
      params: issueParams,
      body: bodySchema,
      responses: { 201: commentSchema },
      handle: async ({ params, body, actor, runId, status }) => {
        const issue = await findIssue(db, actor, params.issueId);
        const comment = await addComment(context, issue, body, { actor, runId });
        status(201);
        return comment;
      },
    }),
  ];
}

/** Writes the comment with its wakes, publishes them, and gives the comment's row. */
async function addComment(
  context: Context,
  issue: IssueRow,
  body: z.output<typeof bodySchema>,
  { actor, runId }: { actor: Actor; runId: string | null },
) {
  const { db, activity, owed } = context;
  // Before the comment: whoever publishes the wake, the cancel is in the mailbox already.
  const interruptedRunId = body.interrupt ? await interrupt(context, issue, actor) : null;
  const { comment, wakes, entries } = await db.transaction(async (tx) => {
    const [current] = await tx.select().from(issues).where(eq(issues.id, issue.id)).for("update");
    if (!current) throw notFound("Issue");
    const adopted = await requireOwnership(tx, current, actor, runId);
    if (adopted) await activity.write(tx, adopted);
    const written = await writeComment(tx, context, {
      issue: current,
      body: body.body,
      reopen: body.reopen ?? false,
      interruptedRunId,
      actor,
      runId,
      woken: [],
    });
    return { ...written, entries: [...(adopted ? [adopted] : []), ...written.entries] };
  });
  for (const entry of entries) activity.tell(entry);
  owed.publish(wakes);
  return comment;
}

/** Asks for the end of the run that holds the issue; its id, or null when there is none. */
async function interrupt(context: Context, issue: IssueRow, actor: Actor): Promise<string | null> {
  if (actor.type !== "board")
    throw forbidden("Only board users can interrupt active runs from issue comments");
  const { executionRunId } = issue;
  if (!executionRunId) return null;
  const run = await context.db.query.heartbeatRuns.findFirst({
    columns: { id: true, agentId: true, companyId: true, status: true },
    where: (table, operators) => operators.eq(table.id, executionRunId),
  });
  if (!run || (run.status !== "running" && run.status !== "queued")) return null;
  const { companyId, agentId } = run;
  const { actorType, actorId } = requester(actor);
  await context.commands.send(companyId, agentId, "cancel", { runId: run.id, actorType, actorId });
  await recordActivity(context, {
    companyId,
    actor,
    action: "heartbeat.cancelled",
    entityType: "heartbeat_run",
    entityId: run.id,
    details: { agentId, source: "issue_comment_interrupt", issueId: issue.id },
  });
  return run.id;
}
