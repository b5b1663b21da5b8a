/** Writes a comment with what follows from it: reopening, wakes, activity. On the caller's transaction. */
import { issueComments, issues } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import type { Transaction } from "@reveille/shared/postgres/sql";
import type { Activity, ActivityLog } from "./activity.js";
import type { Actor } from "./auth.js";
import { notFound } from "./errors.js";
import { statusTimes } from "./issue-rules.js";
import { commentWakes, mentionedAgents } from "./issue-wakes.js";
import type { IssueRow } from "./lookup.js";
import type { OwedWake, OwedWakes } from "./owed-wakes.js";

export interface CommentRequest {
  /** As it is now, locked. */
  issue: IssueRow;
  body: string;
  /** Sets a closed issue back to todo. */
  reopen: boolean;
  interruptedRunId: string | null;
  actor: Actor;
  runId: string | null;
  /** Agents that the same request wakes for another reason: one wake for each agent and request. */
  woken: readonly string[];
}
export type CommentRow = typeof issueComments.$inferSelect;

/** Characters of a comment that the activity log repeats. */
const snippetMax = 120;

export async function writeComment(
  tx: Transaction,
  { activity, owed }: { activity: ActivityLog; owed: OwedWakes },
  request: CommentRequest,
): Promise<{ comment: CommentRow; wakes: OwedWake[]; entries: Activity[] }> {
  const { issue, actor, interruptedRunId } = request;
  const closed = issue.status === "done" || issue.status === "cancelled";
  const reopenedFrom = request.reopen && closed ? issue.status : null;
  const now = new Date();
  const [after] = await tx
    .update(issues)
    .set({
      ...(reopenedFrom ? { status: "todo", ...statusTimes("todo", issue, now) } : {}),
      updatedAt: now,
    })
    .where(eq(issues.id, issue.id))
    .returning();
  const [comment] = await tx
    .insert(issueComments)
    .values({
      companyId: issue.companyId,
      issueId: issue.id,
      body: request.body,
      authorAgentId: actor.type === "agent" ? actor.id : null,
      authorUserId: actor.type === "board" ? actor.id : null,
    })
    .returning();
  if (!after || !comment) throw notFound("Issue");
  const mentioned = await mentionedAgents(tx, issue.companyId, request.body);
  const wakes = commentWakes({
    issue: after,
    actor,
    comment,
    reopenedFrom,
    interruptedRunId,
    mentioned,
  }).filter(({ agentId }) => !request.woken.includes(agentId));
  await owed.owe(tx, wakes);
  const entries = activities(request, after, comment, reopenedFrom);
  for (const entry of entries) await activity.write(tx, entry);
  return { comment, wakes, entries };
}

function activities(
  { actor, runId, interruptedRunId }: CommentRequest,
  issue: IssueRow,
  comment: CommentRow,
  reopenedFrom: string | null,
): Activity[] {
  const about = {
    companyId: issue.companyId,
    actor,
    runId,
    entityType: "issue",
    entityId: issue.id,
  };
  const reopening = reopenedFrom ? { reopened: true, reopenedFrom, source: "comment" } : {};
  const said: Activity = {
    ...about,
    action: "issue.comment_added",
    details: {
      commentId: comment.id,
      bodySnippet: comment.body.slice(0, snippetMax),
      identifier: issue.identifier,
      issueTitle: issue.title,
      ...reopening,
      ...(interruptedRunId ? { interruptedRunId } : {}),
    },
  };
  if (!reopenedFrom) return [said];
  const details = { status: "todo", identifier: issue.identifier, ...reopening };
  return [{ ...about, action: "issue.updated", details }, said];
}
