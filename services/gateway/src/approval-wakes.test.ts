import { newId } from "@reveille/shared/protocol/ids";
import { expect, test } from "vitest";
import { approvalWakes } from "./approval-wakes.js";
import type { ApprovalRow } from "./approvals.js";
import type { Actor } from "./auth.js";

const board: Actor = { type: "board", id: "local-board", companyId: null };
const approval = (requestedByAgentId: string | null): ApprovalRow => ({
  id: newId(),
  companyId: newId(),
  type: "hire_agent",
  requestedByAgentId,
  requestedByUserId: null,
  status: "approved",
  payload: {},
  decisionNote: null,
  decidedByUserId: "local-board",
  decidedAt: new Date(),
  createdAt: new Date(),
  updatedAt: new Date(),
});

test("who asked is woken with the first issue, by an id that follows from the approval", () => {
  const asked = approval(newId());
  const [one] = approvalWakes(asked, ["i1", "i2"], board);
  expect(one).toMatchObject({
    agentId: asked.requestedByAgentId,
    request: {
      source: "automation",
      reason: "approval_approved",
      payload: { approvalId: asked.id, issueId: "i1", issueIds: ["i1", "i2"] },
      contextSnapshot: { source: "approval.approved", taskId: "i1" },
    },
  });
  expect(approvalWakes(asked, [], board)[0]?.wakeId).toBe(one?.wakeId);
});

test("the board's own request wakes nobody", () => {
  expect(approvalWakes(approval(null), ["i"], board)).toEqual([]);
});
