/**
 * Pause, resume, terminate, approve, cancel-all, admit: what people say to the agent itself. Pause is a
 * gate at every admission. How an agent is deleted stands in `on-delete.ts`, how it is configured in
 * `on-configure.ts`.
 */
import type { AgentCommand } from "@reveille/shared/protocol/commands";
import { admitQueued } from "./admit.js";
import { pauseAgent } from "./agent-status.js";
import { cancelRun } from "./cancel-run.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { setTimer } from "./on-timer.js";
import type { AgentStatus } from "./state.js";
import { isRunning } from "./state.js";

/** What runs that a gate ends say, when nobody gave a reason; the same for terminate, as clients know it. */
const cancelledByGate = "Cancelled due to agent pause";
/** Why an agent is paused, when nobody gave a reason. */
const pausedByHand = "manual";

/**
 * Queued and running runs are cancelled; deferred wakes stay and go on after a resume. An agent that
 * waits for approval stays behind that gate: a resume would open it unapproved.
 */
export function onPause(draft: Draft, { reason }: AgentCommand): Decision {
  const { status } = draft.state.agent;
  if (status === "terminated" || status === "pending_approval") return draft.done(null, "ignored");
  pauseAgent(draft, reason ?? pausedByHand);
  cancelAll(draft, reason ?? cancelledByGate);
  return draft.done();
}

/** For good: its timer is over too. Wakes that wait for an issue end when it is their turn. */
export function onTerminate(draft: Draft, { reason }: AgentCommand): Decision {
  closeForGood(draft);
  cancelAll(draft, reason ?? cancelledByGate);
  return draft.done();
}

/** Opens the gate again, out of a pause or an error, and forgets why it was closed. */
export function onResume(draft: Draft): Decision {
  const { agent, runs } = draft.state;
  if (agent.status !== "paused" && agent.status !== "error") return draft.done(null, "ignored");
  setStatus(draft, runs.some(isRunning) ? "running" : "idle");
  if (agent.pauseReason !== null || agent.failure !== null) {
    draft.changeAgent({ pauseReason: null, failure: null });
    draft.row({
      table: "agents",
      op: "update",
      row: { id: agent.id, pauseChanged: true, failureChanged: true },
    });
  }
  return admit(draft);
}

/** A new agent that had to be approved may be woken from now on. */
export function onApprove(draft: Draft): Decision {
  if (draft.state.agent.status !== "pending_approval") return draft.done(null, "ignored");
  setStatus(draft, "idle");
  return onAdmit(draft);
}

/** Ends every queued and running run; the agent stays as it is. */
export function onCancelAll(draft: Draft, { reason }: AgentCommand): Decision {
  if (draft.state.runs.length === 0) return draft.done(null, "ignored");
  cancelAll(draft, reason ?? "Cancelled by control plane");
  return admit(draft);
}

/**
 * Somebody says: look again. At the queue, because what kept it waiting (a company, a budget) may have
 * changed, and at the timer, because a new agent's is known to nobody yet.
 */
export function onAdmit(draft: Draft): Decision {
  const { id: agentId, companyId, nextTimerAtMs: dueAtMs } = draft.state.agent;
  if (dueAtMs !== null)
    draft.effect({ kind: "set-timer", timer: "heartbeat", companyId, agentId, dueAtMs });
  return admit(draft);
}

function admit(draft: Draft): Decision {
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return draft.done();
}

/** Nobody wakes it any more. */
export function closeForGood(draft: Draft): void {
  setStatus(draft, "terminated");
  if (draft.state.agent.nextTimerAtMs !== null) setTimer(draft, null);
}

export function cancelAll(draft: Draft, reason: string): void {
  for (const run of draft.state.runs) cancelRun(draft, run, reason);
}

function setStatus(draft: Draft, status: AgentStatus): void {
  draft.changeAgent({ status });
  draft.row({ table: "agents", op: "update", row: { id: draft.state.agent.id, status } });
  draft.announce("agent.status", { agentId: draft.state.agent.id, status });
}
