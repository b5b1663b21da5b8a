/** Taking an issue for an agent, atomically, and giving it back. The lock of execution is not touched: it is the actor's. */
import { issues } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import type { Queryable } from "@reveille/shared/postgres/sql";
import { newId, uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import type { Activity } from "../activity.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { conflict, forbidden, notFound } from "../errors.js";
import { isLive, requireRun } from "../issue-ownership.js";
import { issueStatuses, requireAssignable, statusTimes } from "../issue-rules.js";
import { issueSchema } from "../issue-view.js";
import { checkoutWakes } from "../issue-wakes.js";
import { findIssue, issueParams } from "../lookup.js";
import type { IssueRow } from "../lookup.js";
import type { OwedWake } from "../owed-wakes.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const checkoutSchema = z.object({
  agentId: uuidSchema,
  expectedStatuses: z.array(z.enum(issueStatuses)).min(1).max(issueStatuses.length),
});

export function checkoutRoutes(context: Context): AnyRoute[] {
  const { db, activity, owed } = context;
  return [
    route({
      method: "POST",
      path: "/api/issues/:issueId/checkout",
      summary: "Takes the issue for an agent; 409 when somebody else has it",
      params: issueParams,
      body: checkoutSchema,
      responses: { 200: issueSchema },
      handle: async ({ params, body, actor, runId }) => {
        const { id } = await findIssue(db, actor, params.issueId);
        if (actor.type === "agent" && actor.id !== body.agentId)
          throw forbidden("Agent can only checkout as itself");
        const run = actor.type === "agent" ? await requireRun(db, actor, runId) : null;
        const { issue, wakes, entry } = await checkOut(context, id, body, { actor, runId: run });
        if (entry) activity.tell(entry);
        owed.publish(wakes);
        return issue;
      },
    }),
    route({
      method: "POST",
      path: "/api/issues/:issueId/release",
      summary: "Gives an issue back: todo, without an assignee",
      params: issueParams,
      responses: { 200: issueSchema },
      handle: async ({ params, actor, runId }) => {
        const issue = await findIssue(db, actor, params.issueId);
        await requireReleasable(db, issue, actor, runId);
        const [released] = await db
          .update(issues)
          .set({
            status: "todo",
            assigneeAgentId: null,
            checkoutRunId: null,
            updatedAt: new Date(),
          })
          .where(eq(issues.id, issue.id))
          .returning();
        if (!released) throw notFound("Issue");
        await recordActivity(
          context,
          issueActivity(released, actor, runId, "issue.released", null),
        );
        return released;
      },
    }),
  ];
}

/** @throws HttpError 401, 409: an agent gives back what is its own, in the run that took it. */
async function requireReleasable(
  on: Queryable,
  issue: IssueRow,
  actor: Actor,
  runId: string | null,
): Promise<void> {
  if (actor.type === "board") return;
  const asking = await requireRun(on, actor, runId);
  if (issue.assigneeAgentId !== null && issue.assigneeAgentId !== actor.id)
    throw conflict("Only assignee can release issue");
  const { checkoutRunId, status } = issue;
  if (status !== "in_progress" || checkoutRunId === null || checkoutRunId === asking) return;
  if (await isLive(on, checkoutRunId))
    throw conflict("Only checkout run can release issue", {
      issueId: issue.id,
      assigneeAgentId: issue.assigneeAgentId,
      checkoutRunId,
      actorRunId: asking,
    });
}

interface CheckedOut {
  issue: IssueRow;
  wakes: OwedWake[];
  /** Null: the run had it already. */
  entry: Activity | null;
}

/** Takes the issue in one transaction, with its activity and the wake that it owes. */
function checkOut(
  { db, activity, owed }: Context,
  id: string,
  wanted: z.output<typeof checkoutSchema>,
  { actor, runId }: { actor: Actor; runId: string | null },
): Promise<CheckedOut> {
  return db.transaction(async (tx) => {
    const [before] = await tx.select().from(issues).where(eq(issues.id, id)).for("update");
    if (!before) throw notFound("Issue");
    await requireAssignable(tx, before.companyId, wanted.agentId);
    const working = before.status === "in_progress" && before.assigneeAgentId === wanted.agentId;
    if (working && runId !== null && before.checkoutRunId === runId)
      return { issue: before, wakes: [], entry: null };
    await requireFree(tx, before, { ...wanted, working: working && runId !== null }, runId);
    const now = new Date();
    const [issue] = await tx
      .update(issues)
      .set({
        assigneeAgentId: wanted.agentId,
        assigneeUserId: null,
        checkoutRunId: runId,
        status: "in_progress",
        ...statusTimes("in_progress", before, now),
        updatedAt: now,
      })
      .where(eq(issues.id, id))
      .returning();
    if (!issue) throw notFound("Issue");
    const wakes = checkoutWakes(issue, wanted.agentId, actor, newId());
    await owed.owe(tx, wakes);
    const details = { agentId: wanted.agentId };
    const entry = issueActivity(issue, actor, runId, "issue.checked_out", details);
    await activity.write(tx, entry);
    return { issue, wakes, entry };
  });
}

/** `working`: a run of the agent takes what its agent works on already, whatever status was expected. */
type Wanted = z.output<typeof checkoutSchema> & { working: boolean };

/** @throws HttpError 409 with what is in the way. */
async function requireFree(
  on: Queryable,
  issue: IssueRow,
  wanted: Wanted,
  runId: string | null,
): Promise<void> {
  const expected = wanted.working || (wanted.expectedStatuses as string[]).includes(issue.status);
  const assigned = issue.assigneeAgentId !== null && issue.assigneeAgentId !== wanted.agentId;
  const holders = [issue.executionRunId, issue.checkoutRunId].filter(
    (id): id is string => id !== null && id !== runId,
  );
  // A run that is over holds nothing, and an agent is not in its own way.
  const others =
    holders.length === 0
      ? []
      : await on.query.heartbeatRuns.findMany({
          columns: { id: true },
          where: (table, { and, inArray, ne }) =>
            and(
              inArray(table.id, holders),
              inArray(table.status, ["queued", "running"]),
              ne(table.agentId, wanted.agentId),
            ),
        });
  if (expected && !assigned && others.length === 0) return;
  throw conflict("Issue checkout conflict", {
    issueId: issue.id,
    status: issue.status,
    assigneeAgentId: issue.assigneeAgentId,
    checkoutRunId: issue.checkoutRunId,
    executionRunId: issue.executionRunId,
  });
}

const issueActivity = (
  issue: IssueRow,
  actor: Actor,
  runId: string | null,
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
