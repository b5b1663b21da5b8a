/**
 * A cost that did not come with a run's end: recorded once by its id, added to the agent's spend, and
 * checked against the budgets. It counts in the month in which it is heard of, whatever its own date: a
 * limit is there to stop what goes on now, and Paperclip's clients expect it so.
 */
import type { Cost } from "@reveille/shared/protocol/commands";
import { enforceBudget } from "./budget.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { centsOf, spend } from "./spend.js";

export function onCost(draft: Draft, cost: Cost): Decision {
  if (draft.inputs.costKnown) return draft.done(null, "duplicate");
  const { companyId, agentId } = draft.delivery;
  draft.row({
    table: "costs",
    op: "insert",
    row: {
      id: cost.id,
      companyId,
      agentId,
      issueId: cost.issueId ?? null,
      projectId: cost.projectId ?? null,
      goalId: cost.goalId ?? null,
      billingCode: cost.billingCode ?? null,
      runId: null,
      provider: cost.provider,
      model: cost.model,
      inputTokens: cost.inputTokens,
      outputTokens: cost.outputTokens,
      cachedInputTokens: cost.cachedInputTokens,
      costMicros: cost.costMicros,
      costCents: centsOf(cost.costMicros),
      occurredAt: cost.occurredAt,
    },
  });
  spend(draft, cost.costMicros);
  enforceBudget(draft);
  return draft.done();
}
