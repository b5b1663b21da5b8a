/**
 * The wakes that an issue's changes cause: who, why and with which context, in Paperclip's words.
 * One wake per agent and change. Pure, except for looking up who was mentioned.
 */
import type { Queryable } from "@reveille/shared/postgres/sql";
import { sql } from "@reveille/shared/postgres/sql";
import type { WakeRequest } from "@reveille/shared/protocol/wake";
import { requester } from "./auth.js";
import type { Actor } from "./auth.js";
import { urlKeySql } from "./lookup.js";
import type { IssueRow } from "./lookup.js";
import { owedWake } from "./owed-wakes.js";
import type { OwedWake } from "./owed-wakes.js";

function request(
  actor: Actor,
  source: WakeRequest["source"],
  reason: string,
  payload: Record<string, unknown>,
  contextSnapshot: Record<string, unknown>,
): WakeRequest {
  const { actorType, actorId } = requester(actor);
  return {
    source,
    triggerDetail: "system",
    reason,
    payload,
    requestedByActorType: actorType,
    requestedByActorId: actorId,
    contextSnapshot,
  };
}

/** The issue has a new assignee. `cause` names the change for ever. */
export function assignmentWakes(
  issue: IssueRow,
  actor: Actor,
  mutation: "create" | "update",
  cause: string,
): OwedWake[] {
  const agentId = issue.assigneeAgentId;
  if (!agentId || isSelf(actor, agentId)) return [];
  return [
    owedWake(
      issue.companyId,
      agentId,
      ["assignment", cause],
      request(
        actor,
        "assignment",
        "issue_assigned",
        { issueId: issue.id, mutation },
        { issueId: issue.id, source: `issue.${mutation}` },
      ),
    ),
  ];
}

/** Somebody checked the issue out for an agent. */
export function checkoutWakes(
  issue: IssueRow,
  agentId: string,
  actor: Actor,
  cause: string,
): OwedWake[] {
  if (isSelf(actor, agentId)) return [];
  return [
    owedWake(
      issue.companyId,
      agentId,
      ["checkout", cause],
      request(
        actor,
        "assignment",
        "issue_checked_out",
        { issueId: issue.id, mutation: "checkout" },
        { issueId: issue.id, source: "issue.checkout" },
      ),
    ),
  ];
}

export interface CommentFacts {
  issue: IssueRow;
  actor: Actor;
  comment: { id: string; body: string };
  /** The status from which the comment reopened the issue. */
  reopenedFrom: string | null;
  interruptedRunId: string | null;
  /** Agents named in the text; the assignee among them is woken once. */
  mentioned: readonly string[];
}

/** The assignee hears of a comment (not of its own, not on a closed issue), then everybody mentioned. */
export function commentWakes(facts: CommentFacts): OwedWake[] {
  const { issue, actor, comment } = facts;
  const assignee = issue.assigneeAgentId;
  const closed = issue.status === "done" || issue.status === "cancelled";
  const wakes: OwedWake[] = [];
  if (assignee && (facts.reopenedFrom || (!closed && !isSelf(actor, assignee))))
    wakes.push(assigneeWake(facts, assignee));
  for (const agentId of facts.mentioned) {
    if (isSelf(actor, agentId) || wakes.some((wake) => wake.agentId === agentId)) continue;
    const mention = request(
      actor,
      "automation",
      "issue_comment_mentioned",
      { issueId: issue.id, commentId: comment.id },
      {
        issueId: issue.id,
        taskId: issue.id,
        commentId: comment.id,
        wakeCommentId: comment.id,
        wakeReason: "issue_comment_mentioned",
        source: "comment.mention",
      },
    );
    wakes.push(owedWake(issue.companyId, agentId, ["comment", comment.id], mention));
  }
  return wakes;
}

function assigneeWake(facts: CommentFacts, agentId: string): OwedWake {
  const { issue, actor, comment, reopenedFrom, interruptedRunId } = facts;
  const extra = {
    ...(reopenedFrom ? { reopenedFrom } : {}),
    ...(interruptedRunId ? { interruptedRunId } : {}),
  };
  const reason = reopenedFrom ? "issue_reopened_via_comment" : "issue_commented";
  return owedWake(
    issue.companyId,
    agentId,
    ["comment", comment.id],
    request(
      actor,
      "automation",
      reason,
      { issueId: issue.id, commentId: comment.id, mutation: "comment", ...extra },
      {
        issueId: issue.id,
        taskId: issue.id,
        commentId: comment.id,
        source: reopenedFrom ? "issue.comment.reopen" : "issue.comment",
        ...extra,
      },
    ),
  );
}

const isSelf = (actor: Actor, agentId: string): boolean =>
  actor.type === "agent" && actor.id === agentId;

/** Mentions that one comment can make; more are text. */
const mentionsMax = 20;

/** Names after an `@` that starts a word, in lower case: `@Bob`, `@bob-smith`. */
export function mentionedNames(body: string): string[] {
  const found = body.matchAll(/(?<![\w@])@([\p{L}\p{N}][\p{L}\p{N}_.-]*)/gu);
  const names = new Set([...found].map(([, name]) => name!.toLowerCase().replace(/[.-]+$/, "")));
  return [...names].slice(0, mentionsMax);
}

/** Ids of the company's living agents that the text mentions, by name or short name. */
export async function mentionedAgents(
  on: Queryable,
  companyId: string,
  body: string,
): Promise<string[]> {
  const names = mentionedNames(body);
  if (names.length === 0) return [];
  const rows = await on.query.agents.findMany({
    columns: { id: true },
    where: (agents, { and, eq, isNull, ne, or, inArray }) =>
      and(
        eq(agents.companyId, companyId),
        ne(agents.status, "terminated"),
        isNull(agents.deletedAt),
        or(
          inArray(sql`lower(trim(${agents.name}))`, names),
          inArray(urlKeySql(agents.name), names),
        ),
      ),
    orderBy: (agents, { asc }) => [asc(agents.createdAt), asc(agents.id)],
    limit: mentionsMax,
  });
  return rows.map(({ id }) => id);
}
