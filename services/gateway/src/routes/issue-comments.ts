/** Comments on issues, and what they cause: reopening, interrupting, waking. */
import { issueComments, issues } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import { z } from "zod";
import type { Activity } from "../activity.js";
import { requester } from "../auth.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { forbidden, notFound } from "../errors.js";
import { statusTimes } from "../issue-rules.js";
import { commentWakes, mentionedAgents } from "../issue-wakes.js";
import { findIssue, issueParams } from "../lookup.js";
import type { IssueRow } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const commentSchema = z.object({
  body: z.string().min(1).max(100_000),
  /** Sets a closed issue back to todo. */
  reopen: z.boolean().optional(),
  /** Cancels the run that works on the issue before anybody is woken. */
  interrupt: z.boolean().optional(),
});

export function commentRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  return [
    route({
      method: "GET",
      path: "/api/issues/:issueId/comments",
      summary: "Comments, the newest first, 1,000 at most",
      params: issueParams,
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
      body: commentSchema,
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
export async function addComment(
  context: Context,
  issue: IssueRow,
  body: z.output<typeof commentSchema>,
  { actor, runId }: { actor: Actor; runId: string | null },
) {
  const { db, activity, owed } = context;
  // Before the comment: whoever publishes the wake, the cancel is in the mailbox already.
  const interruptedRunId = body.interrupt ? await interrupt(context, issue, actor) : null;
  const { comment, wakes, entry } = await db.transaction(async (tx) => {
    const [current] = await tx.select().from(issues).where(eq(issues.id, issue.id)).for("update");
    if (!current) throw notFound("Issue");
    const closed = current.status === "done" || current.status === "cancelled";
    const reopenedFrom = body.reopen && closed ? current.status : null;
    const now = new Date();
    const [after] = await tx
      .update(issues)
      .set({
        ...(reopenedFrom ? { status: "todo", ...statusTimes("todo", current, now) } : {}),
        updatedAt: now,
      })
      .where(eq(issues.id, issue.id))
      .returning();
    const [written] = await tx
      .insert(issueComments)
      .values({
        companyId: issue.companyId,
        issueId: issue.id,
        body: body.body,
        authorAgentId: actor.type === "agent" ? actor.id : null,
        authorUserId: actor.type === "board" ? actor.id : null,
      })
      .returning();
    if (!after || !written) throw notFound("Issue");
    const mentioned = await mentionedAgents(tx, issue.companyId, body.body);
    const owing = commentWakes({
      issue: after,
      actor,
      comment: written,
      reopenedFrom,
      interruptedRunId,
      mentioned,
    });
    await owed.owe(tx, owing);
    const told = commentActivity(after, written, actor, runId);
    await activity.write(tx, told);
    return { comment: written, wakes: owing, entry: told };
  });
  activity.tell(entry);
  owed.publish(wakes);
  return comment;
}

/** Asks for the end of the run that holds the issue; its id, or null when there is none. */
async function interrupt(
  { db, commands }: Context,
  issue: IssueRow,
  actor: Actor,
): Promise<string | null> {
  if (actor.type !== "board") throw forbidden("Only board users can interrupt active runs");
  const { executionRunId } = issue;
  if (!executionRunId) return null;
  const run = await db.query.heartbeatRuns.findFirst({
    columns: { id: true, agentId: true, companyId: true, status: true },
    where: (table, operators) => operators.eq(table.id, executionRunId),
  });
  if (!run || (run.status !== "running" && run.status !== "queued")) return null;
  const { actorType, actorId } = requester(actor);
  await commands.send(run.companyId, run.agentId, "cancel", { runId: run.id, actorType, actorId });
  return run.id;
}

/** Characters of a comment that the activity log repeats. */
const snippetMax = 120;

const commentActivity = (
  issue: IssueRow,
  comment: { id: string; body: string },
  actor: Actor,
  runId: string | null,
): Activity => ({
  companyId: issue.companyId,
  actor,
  runId,
  action: "issue.comment_added",
  entityType: "issue",
  entityId: issue.id,
  details: {
    commentId: comment.id,
    bodySnippet: comment.body.slice(0, snippetMax),
    identifier: issue.identifier,
    issueTitle: issue.title,
  },
});
