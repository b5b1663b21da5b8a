/**
 * A run's end is asked for. Without a process it ends at once; with one it keeps slot and lock until
 * its runner reports that the whole tree is dead.
 */
import type { Cancel } from "@reveille/shared/protocol/commands";
import { admitQueued } from "./admit.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { endRun } from "./end-run.js";
import type { RunState } from "./state.js";
import { isRunning } from "./state.js";

export function onCancel(draft: Draft, command: Cancel): Decision {
  const run = draft.run(command.runId);
  if (!run) return draft.done(null, "ignored");
  cancelRun(draft, run, command.reason);
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return draft.done();
}

/** Cancels one live run; a repeat sends the control message again. */
export function cancelRun(draft: Draft, run: RunState, reason: string): void {
  const { companyId, atMs } = draft.delivery;
  if (isRunning(run)) {
    if (run.cancel === null)
      draft.changeRun(run.id, { phase: "cancelling", cancel: { reason, atMs } });
    draft.effect({
      kind: "control",
      order: "cancel",
      companyId,
      runId: run.id,
      attempt: run.attempt,
      claimId: run.claim!.claimId,
      reason: run.cancel?.reason ?? reason,
    });
    return;
  }
  // Dispatched without a go: the execution is withdrawn, and a runner that has it already gets `no`.
  if (run.phase === "dispatched")
    draft.effect({
      kind: "withdraw",
      pool: run.pool,
      companyId,
      runId: run.id,
      attempt: run.attempt,
    });
  endRun(draft, run, { status: "cancelled", error: reason, errorCode: "cancelled" }, null);
}
