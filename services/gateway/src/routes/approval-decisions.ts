/**
 * The board decides. What a decision does to an agent goes to its mailbox before the decision commits:
 * a gateway that dies in between leaves an approval that can be decided again, and the command said
 * twice is said once.
 */
import { approvals } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import type { Transaction } from "@reveille/shared/postgres/sql";
import { z } from "zod";
import type { Activity } from "../activity.js";
import { insertAgent } from "../agent-creation.js";
import { checkSettings, newAgentSchema } from "../agent-settings.js";
import type { NewAgent } from "../agent-settings.js";
import { approvalWakes } from "../approval-wakes.js";
import {
  approvalParams,
  approvalSchema,
  findApproval,
  linkedIssues,
  presentApproval,
} from "../approvals.js";
import type { ApprovalRow } from "../approvals.js";
import { requester } from "../auth.js";
import type { Actor } from "../auth.js";
import type { Context } from "../context.js";
import { conflict, notFound, unprocessable, validationError } from "../errors.js";
import type { OwedWake } from "../owed-wakes.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const decisionSchema = z.object({
  decisionNote: z.string().max(10_000).nullish(),
  /** Taken for compatibility: who decides is who calls. */
  decidedByUserId: z.string().max(255).optional(),
});
/** How long an approved agent may take to be idle; the decision stands in any case. */
const shownMs = 5_000;

const decisions = {
  approve: {
    status: "approved",
    from: ["pending", "revision_requested"],
    refusal: "Only pending or revision requested approvals can be approved",
    action: "approval.approved",
    command: "approve",
  },
  reject: {
    status: "rejected",
    from: ["pending", "revision_requested"],
    refusal: "Only pending or revision requested approvals can be rejected",
    action: "approval.rejected",
    command: "terminate",
  },
  "request-revision": {
    status: "revision_requested",
    from: ["pending"],
    refusal: "Only pending approvals can request revision",
    action: "approval.revision_requested",
    command: null,
  },
} as const;
type DecisionName = keyof typeof decisions;

export function approvalDecisionRoutes(context: Context): AnyRoute[] {
  return (Object.keys(decisions) as DecisionName[]).map((name) =>
    route({
      method: "POST",
      path: `/api/approvals/:approvalId/${name}`,
      summary: `The board's word on an approval: ${decisions[name].status}`,
      params: approvalParams,
      body: decisionSchema,
      responses: { 200: approvalSchema },
      boardOnly: true,
      handle: async ({ params, body, actor, runId }) => {
        const { db, activity, owed } = context;
        const seen = await findApproval(db, actor, params.approvalId);
        const hire = name === "approve" ? await newHire(context, seen, actor) : null;
        const { approval, agentId, wakes, entries } = await db.transaction((tx) =>
          decide(context, tx, { name, seen, hire, note: body.decisionNote ?? null, actor, runId }),
        );
        for (const entry of entries) activity.tell(entry);
        owed.publish(wakes);
        if (agentId) await untilDecided(context, approval.companyId, agentId);
        return presentApproval(approval);
      },
    }),
  );
}

interface Asked {
  name: DecisionName;
  /** The approval as it was when its payload was checked. */
  seen: ApprovalRow;
  hire: NewAgent | null;
  note: string | null;
  actor: Actor;
  runId: string | null;
}

async function decide(context: Context, tx: Transaction, asked: Asked) {
  const { name, seen, hire, note, actor, runId } = asked;
  const decision = decisions[name];
  const [locked] = await tx.select().from(approvals).where(eq(approvals.id, seen.id)).for("update");
  if (!locked) throw notFound("Approval");
  if (!(decision.from as readonly string[]).includes(locked.status))
    throw unprocessable(decision.refusal);
  if (locked.updatedAt.getTime() !== seen.updatedAt.getTime())
    throw conflict("The approval was changed meanwhile");
  const agentId = decision.command
    ? await commandAgent(context, locked, decision.command, actor)
    : null;
  if (agentId) context.failpoint("after-approval-command");
  if (hire)
    await insertAgent(tx, context.partitionCount, {
      companyId: locked.companyId,
      status: "idle",
      settings: hire,
    });
  const now = new Date();
  const [approval] = await tx
    .update(approvals)
    .set({
      status: decision.status,
      decidedByUserId: actor.id,
      decisionNote: note,
      decidedAt: now,
      updatedAt: now,
    })
    .where(eq(approvals.id, locked.id))
    .returning();
  if (!approval) throw notFound("Approval");
  const issueIds = (await linkedIssues(tx, approval.id)).map(({ id }) => id);
  const wakes: OwedWake[] = name === "approve" ? approvalWakes(approval, issueIds, actor) : [];
  await context.owed.owe(tx, wakes);
  const entries = activities(approval, decision.action, issueIds, wakes, { actor, runId });
  for (const entry of entries) await context.activity.write(tx, entry);
  return { approval, agentId, wakes, entries };
}

/** The settings of an agent that the approval itself makes; null: it was made when the hire was asked for. */
async function newHire(
  context: Context,
  approval: ApprovalRow,
  actor: Actor,
): Promise<NewAgent | null> {
  const payload = approval.payload as Record<string, unknown>;
  if (approval.type !== "hire_agent" || typeof payload["agentId"] === "string") return null;
  const read = newAgentSchema.safeParse({ name: "New Agent", ...payload });
  if (!read.success) throw validationError(read.error.issues, ["payload"]);
  return checkSettings(context, read.data, { companyId: approval.companyId, actor, agent: null });
}

/**
 * Tells the agent that the approval is about. Only one that waits for it: what a payload names may by
 * now be an agent at work, or may always have been.
 */
async function commandAgent(
  { db, commands }: Context,
  approval: ApprovalRow,
  command: "approve" | "terminate",
  actor: Actor,
): Promise<string | null> {
  const agentId = z.guid().safeParse((approval.payload as Record<string, unknown>)["agentId"]);
  if (approval.type !== "hire_agent" || !agentId.success) return null;
  const agent = await db.query.agents.findFirst({
    columns: { id: true },
    where: (table, operators) =>
      operators.and(
        operators.eq(table.id, agentId.data),
        operators.eq(table.companyId, approval.companyId),
        operators.eq(table.status, "pending_approval"),
      ),
  });
  if (!agent) return null;
  const { actorType, actorId } = requester(actor);
  await commands.send(approval.companyId, agent.id, command, { actorType, actorId });
  return agent.id;
}

/** So that who decides and looks sees what was decided. */
async function untilDecided(
  { db, live }: Context,
  companyId: string,
  agentId: string,
): Promise<void> {
  await live.until(companyId, shownMs, async () => {
    const agent = await db.query.agents.findFirst({
      columns: { status: true },
      where: (table, operators) => operators.eq(table.id, agentId),
    });
    return agent?.status === "pending_approval" ? null : true;
  });
}

function activities(
  approval: ApprovalRow,
  action: string,
  linkedIssueIds: string[],
  wakes: readonly OwedWake[],
  who: { actor: Actor; runId: string | null },
): Activity[] {
  const about = {
    ...who,
    companyId: approval.companyId,
    entityType: "approval",
    entityId: approval.id,
  };
  const { type, requestedByAgentId } = approval;
  return [
    { ...about, action, details: { type, requestedByAgentId, linkedIssueIds } },
    ...wakes.map(({ agentId, wakeId }) => ({
      ...about,
      action: "approval.requester_wakeup_queued",
      details: { requesterAgentId: agentId, wakeId, linkedIssueIds },
    })),
  ];
}
