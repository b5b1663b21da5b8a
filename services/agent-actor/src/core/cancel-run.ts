/**
 * How one live run is stopped, whoever asks for it: a command, a gate, a budget. Without a process it
 * ends at once; with one it keeps slot and lock until its runner reports that the whole tree is dead.
 */
import type { Draft } from "./draft.js";
import { endRun } from "./end-run.js";
import { cancelledBy } from "./outcome.js";
import type { RunState } from "./state.js";
import { isRunning } from "./state.js";

/** Cancels one live run; a repeat sends the control message again, with the first reason. */
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
  endRun(draft, run, cancelledBy(reason), null);
}
