/** Approvals in the database, for the routes that ask for them and those that decide. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import type { Database } from "@reveille/shared/postgres/pool";
import { approvals, issueApprovals } from "@reveille/shared/postgres/schema";
import type { Queryable } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { requireCompany } from "./auth.js";
import type { Actor } from "./auth.js";
import { notFound, unprocessable } from "./errors.js";
import { redacted } from "./redaction.js";

export const approvalTypes = ["hire_agent", "approve_ceo_strategy"] as const;
export const approvalParams = z.object({ approvalId: uuidSchema });
export const approvalSchema = rowSchema(approvals);

export type ApprovalRow = typeof approvals.$inferSelect;

/** Payloads may repeat an agent's configuration. */
export const presentApproval = (approval: ApprovalRow): ApprovalRow => ({
  ...approval,
  payload: redacted(approval.payload),
});

/** @throws HttpError 404. */
export async function findApproval(db: Database, actor: Actor, id: string): Promise<ApprovalRow> {
  const approval = await db.query.approvals.findFirst({
    where: (table, { eq }) => eq(table.id, id),
  });
  if (!approval) throw notFound("Approval");
  requireCompany(actor, approval.companyId, "Approval");
  return approval;
}

/** Writes an approval that waits, with the issues that it is about. @throws HttpError 404, 422. */
export async function insertApproval(
  on: Queryable,
  asked: {
    companyId: string;
    actor: Actor;
    type: (typeof approvalTypes)[number];
    payload: Record<string, unknown>;
    issueIds: readonly string[];
    /** For whom the board asks; an agent asks for itself. */
    requestedByAgentId?: string | null;
  },
): Promise<ApprovalRow> {
  const { companyId, actor, type, payload } = asked;
  const [approval] = await on
    .insert(approvals)
    .values({
      companyId,
      type,
      payload,
      requestedByAgentId: actor.type === "agent" ? actor.id : (asked.requestedByAgentId ?? null),
      requestedByUserId: actor.type === "board" ? actor.id : null,
    })
    .returning();
  if (!approval) throw new Error("the insert returned no row");
  await linkIssues(on, actor, approval, asked.issueIds);
  return approval;
}

/** @throws HttpError 404 (no such issue), 422 (another company's). */
export async function linkIssues(
  on: Queryable,
  actor: Actor,
  approval: { id: string; companyId: string },
  issueIds: readonly string[],
): Promise<void> {
  if (issueIds.length === 0) return;
  const found = await on.query.issues.findMany({
    columns: { id: true },
    where: (table, { and, eq, inArray }) =>
      and(eq(table.companyId, approval.companyId), inArray(table.id, [...issueIds])),
  });
  if (found.length !== issueIds.length)
    throw unprocessable("Issue and approval must belong to the same company");
  await on
    .insert(issueApprovals)
    .values(
      issueIds.map((issueId) => ({
        companyId: approval.companyId,
        issueId,
        approvalId: approval.id,
        linkedByAgentId: actor.type === "agent" ? actor.id : null,
        linkedByUserId: actor.type === "board" ? actor.id : null,
      })),
    )
    .onConflictDoNothing();
}

/** Issues that one approval shows. */
const linkedMax = 1_000;

/** The issues that an approval is about, the last linked first. */
export async function linkedIssues(on: Queryable, approvalId: string) {
  const links = await on.query.issueApprovals.findMany({
    columns: { issueId: true },
    where: (table, { eq }) => eq(table.approvalId, approvalId),
    orderBy: (table, { asc, desc }) => [desc(table.createdAt), asc(table.issueId)],
    limit: linkedMax,
  });
  const ids = links.map(({ issueId }) => issueId);
  if (ids.length === 0) return [];
  const rows = await on.query.issues.findMany({
    where: (table, { inArray }) => inArray(table.id, ids),
  });
  return rows.toSorted((a, b) => ids.indexOf(a.id) - ids.indexOf(b.id));
}
