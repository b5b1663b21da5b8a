/** What the board is asked to approve: asking, asking again, talking about it. Deciding is next door. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import { approvalComments, approvals } from "@reveille/shared/postgres/schema";
import { and, eq } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import {
  approvalParams,
  approvalSchema,
  approvalTypes,
  findApproval,
  insertApproval,
  linkedIssues,
  presentApproval,
} from "../approvals.js";
import type { ApprovalRow } from "../approvals.js";
import { normalizeBindings } from "../bindings.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { forbidden, unprocessable } from "../errors.js";
import { issueSchema } from "../issue-view.js";
import { companyParams, findCompany } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const payloadSchema = z.record(z.string(), z.unknown());
const createSchema = z.object({
  type: z.enum(approvalTypes),
  requestedByAgentId: uuidSchema.nullish(),
  payload: payloadSchema,
  issueIds: z.array(uuidSchema).max(100).default([]),
});
const commentSchema = rowSchema(approvalComments);
/** Of one list. */
const rowsMax = 1_000;

export function approvalRoutes(context: Context): AnyRoute[] {
  return [list(context), create(context), one(context), resubmit(context), ...talk(context)];
}

const list = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/companies/:companyId/approvals",
    summary: "Approvals of a company, the newest first, 1,000 at most",
    params: companyParams,
    query: z.object({ status: z.string().max(40).optional() }),
    responses: { 200: z.array(approvalSchema) },
    handle: async ({ params, query, actor }) => {
      await findCompany(db, actor, params.companyId);
      const rows = await db.query.approvals.findMany({
        where: (table, operators) =>
          operators.and(
            operators.eq(table.companyId, params.companyId),
            query.status ? operators.eq(table.status, query.status) : undefined,
          ),
        orderBy: (table, { asc, desc }) => [desc(table.createdAt), asc(table.id)],
        limit: rowsMax,
      });
      return rows.map(presentApproval);
    },
  });

const create = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/companies/:companyId/approvals",
    summary: "Asks the board for an approval",
    params: companyParams,
    body: createSchema,
    responses: { 201: approvalSchema },
    handle: async ({ params: { companyId }, body, actor, runId, status }) => {
      const { db, activity } = context;
      await findCompany(db, actor, companyId);
      const { type, requestedByAgentId } = body;
      if (requestedByAgentId) await requireAgentOf(context, companyId, requestedByAgentId);
      const payload = await checkPayload(context, { companyId, actor, type }, body.payload);
      const issueIds = [...new Set(body.issueIds)];
      const { approval, entry } = await db.transaction(async (tx) => {
        const asked = await insertApproval(tx, {
          companyId,
          actor,
          type,
          payload,
          issueIds,
          requestedByAgentId: requestedByAgentId ?? null,
        });
        const details = { type, issueIds };
        const told = { ...activityOf(asked, actor, runId), action: "approval.created", details };
        await activity.write(tx, told);
        return { approval: asked, entry: told };
      });
      activity.tell(entry);
      status(201);
      return presentApproval(approval);
    },
  });

const one = ({ db }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/approvals/:approvalId",
    summary: "One approval",
    params: approvalParams,
    responses: { 200: approvalSchema },
    handle: async ({ params, actor }) =>
      presentApproval(await findApproval(db, actor, params.approvalId)),
  });

const resubmit = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/approvals/:approvalId/resubmit",
    summary: "Asks again after a revision was requested",
    params: approvalParams,
    body: z.object({ payload: payloadSchema.optional() }),
    responses: { 200: approvalSchema },
    handle: async ({ params, body, actor, runId }) => {
      const { db } = context;
      const before = await findApproval(db, actor, params.approvalId);
      if (actor.type === "agent" && actor.id !== before.requestedByAgentId)
        throw forbidden("Only requesting agent can resubmit this approval");
      const payload = body.payload
        ? await checkPayload(context, { ...before, actor }, body.payload)
        : before.payload;
      const [approval] = await db
        .update(approvals)
        .set({
          status: "pending",
          payload,
          decisionNote: null,
          decidedByUserId: null,
          decidedAt: null,
          updatedAt: new Date(),
        })
        .where(and(eq(approvals.id, before.id), eq(approvals.status, "revision_requested")))
        .returning();
      if (!approval) throw unprocessable("Only revision requested approvals can be resubmitted");
      await recordActivity(context, {
        ...activityOf(approval, actor, runId),
        action: "approval.resubmitted",
        details: { type: approval.type },
      });
      return presentApproval(approval);
    },
  });

const talk = (context: Context): AnyRoute[] => [
  route({
    method: "GET",
    path: "/api/approvals/:approvalId/issues",
    summary: "The issues that an approval is about",
    params: approvalParams,
    responses: { 200: z.array(issueSchema) },
    handle: async ({ params, actor }) =>
      linkedIssues(context.db, (await findApproval(context.db, actor, params.approvalId)).id),
  }),
  route({
    method: "GET",
    path: "/api/approvals/:approvalId/comments",
    summary: "Comments on an approval, oldest first, 1,000 at most",
    params: approvalParams,
    responses: { 200: z.array(commentSchema) },
    handle: async ({ params, actor }) => {
      const approval = await findApproval(context.db, actor, params.approvalId);
      return context.db.query.approvalComments.findMany({
        where: (table, operators) => operators.eq(table.approvalId, approval.id),
        orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
        limit: rowsMax,
      });
    },
  }),
  route({
    method: "POST",
    path: "/api/approvals/:approvalId/comments",
    summary: "A new comment on an approval",
    params: approvalParams,
    body: z.object({ body: z.string().min(1).max(100_000) }),
    responses: { 201: commentSchema },
    handle: async ({ params, body, actor, runId, status }) => {
      const approval = await findApproval(context.db, actor, params.approvalId);
      const [comment] = await context.db
        .insert(approvalComments)
        .values({
          companyId: approval.companyId,
          approvalId: approval.id,
          authorAgentId: actor.type === "agent" ? actor.id : null,
          authorUserId: actor.type === "board" ? actor.id : null,
          body: body.body,
        })
        .returning();
      await recordActivity(context, {
        ...activityOf(approval, actor, runId),
        action: "approval.comment_added",
        details: { commentId: comment?.id },
      });
      status(201);
      return comment;
    },
  }),
];

const activityOf = (approval: ApprovalRow, actor: Actor, runId: string | null) => ({
  companyId: approval.companyId,
  actor,
  runId,
  entityType: "approval",
  entityId: approval.id,
});

/** A hire's payload with its variables in stored form. @throws HttpError 400, 403, 422. */
async function checkPayload(
  { pool, secrets }: Context,
  about: { companyId: string; actor: Actor; type: string },
  payload: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const config = z.record(z.string(), z.unknown()).safeParse(payload["adapterConfig"]);
  if (about.type !== "hire_agent" || !config.success) return payload;
  const { companyId, actor } = about;
  const rules = { pool, companyId, actor, strict: secrets.strict, before: null };
  return { ...payload, adapterConfig: await normalizeBindings(config.data, rules) };
}

/** @throws HttpError 422. */
async function requireAgentOf({ db }: Context, companyId: string, agentId: string): Promise<void> {
  const agent = await db.query.agents.findFirst({
    columns: { id: true },
    where: (table, operators) =>
      operators.and(
        operators.eq(table.id, agentId),
        operators.eq(table.companyId, companyId),
        operators.isNull(table.deletedAt),
      ),
  });
  if (!agent) throw unprocessable("requestedByAgentId is no agent of this company");
}
