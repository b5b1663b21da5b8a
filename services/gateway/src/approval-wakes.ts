/** The wake that an approval owes to the agent that asked for it, in Paperclip's words. Pure. */
import type { ApprovalRow } from "./approvals.js";
import { requester } from "./auth.js";
import type { Actor } from "./auth.js";
import { owedWake } from "./owed-wakes.js";
import type { OwedWake } from "./owed-wakes.js";

/** The first issue is the one that the run works on. An approval is approved once: its id is the cause. */
export function approvalWakes(
  approval: ApprovalRow,
  issueIds: readonly string[],
  actor: Actor,
): OwedWake[] {
  const { id: approvalId, status: approvalStatus, companyId, requestedByAgentId } = approval;
  if (!requestedByAgentId) return [];
  const { actorType, actorId } = requester(actor);
  const issueId = issueIds[0] ?? null;
  const facts = { approvalId, approvalStatus, issueId, issueIds: [...issueIds] };
  return [
    owedWake(companyId, requestedByAgentId, ["approval", approvalId], {
      source: "automation",
      triggerDetail: "system",
      reason: "approval_approved",
      payload: facts,
      requestedByActorType: actorType,
      requestedByActorId: actorId,
      contextSnapshot: {
        ...facts,
        source: "approval.approved",
        taskId: issueId,
        wakeReason: "approval_approved",
      },
    }),
  ];
}
