/**
 * The lock of an issue was handed to a waiter of this agent. The waiter's own state decides: a deferred
 * wake or a queued run is admitted like any wake; what is already dispatched, running or over needs
 * nothing; what cannot start passes the lock on.
 */
import type { Grant } from "@reveille/shared/protocol/commands";
import { isoTime } from "@reveille/shared/protocol/time";
import { admitQueued } from "./admit.js";
import { closeWait } from "./close-wait.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { addQueuedRun } from "./new-run.js";
import type { WaitState } from "./state.js";
import { freeSlots, hasSlot, isInvokable } from "./state.js";

export function onGrant(draft: Draft, grant: Grant): Decision {
  const run = draft.run(grant.runId);
  if (run) {
    if (hasSlot(run)) return draft.done(null, "duplicate");
    if (run.phase === "waiting") draft.changeRun(run.id, { phase: "queued" });
    return admitOrPassOn(draft, grant);
  }
  const wait = draft.state.waits.find((other) => other.runId === grant.runId);
  if (!wait) {
    // Over, or never committed: whoever holds a lock without a row behind it lets go of it.
    draft.release(grant.issueId, grant.runId, "wake", grant.wakeId);
    return draft.done(null, "stale");
  }
  const fault = refusal(draft, wait);
  if (fault !== null) {
    closeWait(draft, wait, fault);
    return draft.done();
  }
  promote(draft, wait);
  return admitOrPassOn(draft, grant);
}

const notInvokable = "Deferred wake could not be promoted: agent is not invokable";

/** Why a wake that was taken in earlier would not be taken in now; null: it would. */
function refusal({ state, inputs }: Draft, wait: WaitState): string | null {
  if (!isInvokable(state.agent.status)) return notInvokable;
  if (wait.source !== "timer" && !state.policy.wakeOnDemand)
    return "heartbeat.wakeOnDemand.disabled";
  return inputs.issues.has(wait.issueId) ? null : "issue_execution_issue_not_found";
}

/** The waiting wake becomes a queued run. */
function promote(draft: Draft, wait: WaitState): void {
  const { delivery } = draft;
  const at = isoTime(delivery.atMs);
  draft.removeWait(wait.requestId);
  addQueuedRun(draft, {
    ...wait,
    context: {
      ...wait.context,
      wakeReason: wait.context["wakeReason"] ?? "issue_execution_deferred",
    },
  });
  draft.row({
    table: "wakes",
    op: "update",
    row: {
      id: wait.requestId,
      status: "queued",
      waits: false,
      reason: "issue_execution_promoted",
      runId: wait.runId,
      promoted: true,
      updatedAt: at,
    },
  });
}

/**
 * Without a free slot, behind others, or with a company that is not active the granted run stays queued
 * and holds nothing: whatever opens the way admits it, and it asks for the lock again.
 */
function admitOrPassOn(draft: Draft, grant: Grant): Decision {
  if (freeSlots(draft.state) > 0 && !admitQueued(draft))
    return { kind: "needs", locks: draft.needed };
  const run = draft.run(grant.runId);
  if (!run) {
    // A limit stopped it on its way to a slot: what it was granted goes on to the next.
    draft.row({ table: "runs", op: "update", row: { id: grant.runId, owesRelease: true } });
    draft.release(grant.issueId, grant.runId, "run", grant.runId);
  } else if (!hasSlot(run)) {
    if (run.phase === "waiting") return draft.done(); // another holder was met: it stands in the queue again
    draft.changeRun(run.id, {}, { owesRelease: true });
    draft.release(grant.issueId, run.id, "run", run.id, draft.delivery);
  }
  return draft.done();
}
