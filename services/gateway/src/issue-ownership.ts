/** Which run of an agent has an issue checked out, and what agents may do without it. */
import { issues } from "@reveille/shared/postgres/schema";
import { and, eq } from "@reveille/shared/postgres/sql";
import type { Queryable } from "@reveille/shared/postgres/sql";
import type { Activity } from "./activity.js";
import type { Actor } from "./auth.js";
import { conflict, HttpError } from "./errors.js";
import type { IssueRow } from "./lookup.js";

/** The run that an agent works in; null for the board. @throws HttpError 401 for an agent that names none of its own. */
export async function requireRun(
  on: Queryable,
  actor: Actor,
  runId: string | null,
): Promise<string | null> {
  if (actor.type === "board") return runId;
  if (!runId) throw new HttpError(401, "Agent run id required");
  if (actor.run?.id === runId) return runId;
  const run = await on.query.heartbeatRuns.findFirst({
    columns: { agentId: true },
    where: (table, operators) => operators.eq(table.id, runId),
  });
  if (run?.agentId !== actor.id) throw new HttpError(401, "Agent run id required");
  return runId;
}

/** Is the run queued or running? A run that is over, or gone, holds nothing. */
export async function isLive(on: Queryable, runId: string): Promise<boolean> {
  const run = await on.query.heartbeatRuns.findFirst({
    columns: { status: true },
    where: (table, operators) => operators.eq(table.id, runId),
  });
  return run?.status === "queued" || run?.status === "running";
}

/**
 * An agent that changes an issue which it works on does so in the run that has it checked out. A
 * checkout of a run that is over goes to the run that asks; the activity of that is the answer, else null.
 * @throws HttpError 401, 409.
 */
export async function requireOwnership(
  on: Queryable,
  issue: IssueRow,
  actor: Actor,
  runId: string | null,
): Promise<Activity | null> {
  const { checkoutRunId } = issue;
  if (actor.type === "board" || checkoutRunId === null) return null;
  if (issue.status !== "in_progress" || issue.assigneeAgentId !== actor.id) return null;
  const asking = await requireRun(on, actor, runId);
  if (asking === checkoutRunId) return null;
  if (asking === null || (await isLive(on, checkoutRunId)))
    throw conflict("Issue run ownership conflict", {
      issueId: issue.id,
      status: issue.status,
      assigneeAgentId: issue.assigneeAgentId,
      checkoutRunId,
      actorAgentId: actor.id,
      actorRunId: asking,
    });
  const adopted = await on
    .update(issues)
    .set({ checkoutRunId: asking })
    .where(and(eq(issues.id, issue.id), eq(issues.checkoutRunId, checkoutRunId)))
    .returning({ id: issues.id });
  if (adopted.length === 0) throw conflict("Issue run ownership conflict", { issueId: issue.id });
  return {
    companyId: issue.companyId,
    actor,
    runId: asking,
    action: "issue.checkout_lock_adopted",
    entityType: "issue",
    entityId: issue.id,
    details: {
      previousCheckoutRunId: checkoutRunId,
      checkoutRunId: asking,
      reason: "stale_checkout_run",
    },
  };
}
