/** Which approvals an issue waits for, or came from. */
import { issueApprovals } from "@reveille/shared/postgres/schema";
import { and, eq } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import { approvalSchema, findApproval, linkIssues, presentApproval } from "../approvals.js";
import type { ApprovalRow } from "../approvals.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { unprocessable } from "../errors.js";
import { findIssue, issueParams } from "../lookup.js";
import type { IssueRow } from "../lookup.js";
import { requireMayLinkApprovals } from "../permissions.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

/** Approvals that one issue shows. */
const linkedMax = 1_000;

export function issueApprovalRoutes(context: Context): AnyRoute[] {
  const { db } = context;
  const shown = z.array(approvalSchema);
  return [
    route({
      method: "GET",
      path: "/api/issues/:issueId/approvals",
      summary: "Approvals that are about an issue, the last linked first",
      params: issueParams,
      responses: { 200: shown },
      handle: async ({ params, actor }) =>
        approvalsOf(context, await findIssue(db, actor, params.issueId)),
    }),
    route({
      method: "POST",
      path: "/api/issues/:issueId/approvals",
      summary: "Links an approval to an issue",
      params: issueParams,
      body: z.object({ approvalId: uuidSchema }),
      responses: { 201: shown },
      handle: async ({ params, body, actor, runId, status }) => {
        const issue = await findIssue(db, actor, params.issueId);
        await requireMayLinkApprovals(db, actor);
        const approval = await findApproval(db, actor, body.approvalId);
        if (approval.companyId !== issue.companyId)
          throw unprocessable("Issue and approval must belong to the same company");
        await linkIssues(db, actor, approval, [issue.id]);
        await note(context, issue, "issue.approval_linked", body.approvalId, { actor, runId });
        status(201);
        return approvalsOf(context, issue);
      },
    }),
    route({
      method: "DELETE",
      path: "/api/issues/:issueId/approvals/:approvalId",
      summary: "Takes the link away",
      params: issueParams.extend({ approvalId: uuidSchema }),
      responses: { 200: z.strictObject({ ok: z.literal(true) }) },
      handle: async ({ params, actor, runId }) => {
        const issue = await findIssue(db, actor, params.issueId);
        await requireMayLinkApprovals(db, actor);
        const { approvalId } = params;
        await findApproval(db, actor, approvalId);
        await db
          .delete(issueApprovals)
          .where(
            and(eq(issueApprovals.issueId, issue.id), eq(issueApprovals.approvalId, approvalId)),
          );
        await note(context, issue, "issue.approval_unlinked", approvalId, { actor, runId });
        return { ok: true };
      },
    }),
  ];
}

async function approvalsOf({ db }: Context, issue: IssueRow): Promise<ApprovalRow[]> {
  const links = await db.query.issueApprovals.findMany({
    columns: { approvalId: true },
    where: (table, operators) => operators.eq(table.issueId, issue.id),
    orderBy: (table, { asc, desc }) => [desc(table.createdAt), asc(table.approvalId)],
    limit: linkedMax,
  });
  const ids = links.map(({ approvalId }) => approvalId);
  if (ids.length === 0) return [];
  const rows = await db.query.approvals.findMany({
    where: (table, { inArray }) => inArray(table.id, ids),
  });
  return rows.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id)).map(presentApproval);
}

const note = (
  context: Context,
  issue: IssueRow,
  action: string,
  approvalId: string,
  who: { actor: Actor; runId: string | null },
): Promise<void> =>
  recordActivity(context, {
    ...who,
    companyId: issue.companyId,
    action,
    entityType: "issue",
    entityId: issue.id,
    details: { approvalId },
  });
