/**
 * What the agent itself, or whoever works for it, says of a run with the run's token: it is kept until
 * the run's end, where it fills what the adapter leaves open. Usage counts against the budgets at once.
 * There is nobody to answer: a report that comes too late changes nothing.
 */
import type { RunReported } from "@reveille/shared/protocol/execution";
import { enforceBudget } from "./budget.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { mergePatches } from "./run-result.js";
import { withUsage } from "./spend.js";
import { isRunning } from "./state.js";

export function onRunReported(
  draft: Draft,
  { runId, attempt, final, patch }: RunReported,
): Decision {
  const run = draft.run(runId);
  if (!run || run.attempt !== attempt || !isRunning(run)) return draft.done(null, "stale");
  const used = withUsage(run.reported, patch);
  const reported = { ...used, patch: mergePatches(used.patch, patch) };
  const finishes = final && run.cancel === null;
  draft.changeRun(runId, { reported, ...(finishes ? { finishRequested: true } : {}) });
  if (finishes)
    draft.effect({
      kind: "control",
      order: "finish",
      companyId: draft.delivery.companyId,
      runId,
      attempt,
      claimId: run.claim!.claimId,
      reason: "the final word was reported",
    });
  enforceBudget(draft, runId);
  return draft.done();
}
