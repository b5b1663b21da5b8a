/**
 * A timer came due. The agent's own: its next due time follows the schedule, so that other wakes never
 * push it; at most one timer run waits, and a wake that would only join a live run of the same scope
 * leaves no row. That of the earliest delayed run: the queue is looked at again.
 */
import type { TimerDue } from "@reveille/shared/protocol/commands";
import { turnOf } from "@reveille/shared/protocol/schedule";
import { isoTime } from "@reveille/shared/protocol/time";
import { admitQueued } from "./admit.js";
import { companyOverBudget } from "./budget.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { onWake } from "./on-wake.js";
import { isDelayed, isInvokable } from "./state.js";

export function onTimer(draft: Draft, due: TimerDue): Decision {
  return due.timer === "retry" ? onRetryDue(draft, due) : onHeartbeatDue(draft, due);
}

function onHeartbeatDue(draft: Draft, due: TimerDue): Decision {
  const { state, delivery, inputs } = draft;
  const { agent, policy } = state;
  if (agent.nextTimerAtMs !== due.dueAtMs) return draft.done(null, "stale");
  const { fires, nextMs } = turnOf(policy.timetable, due.dueAtMs, delivery.atMs);
  setTimer(draft, agent.status === "terminated" ? null : nextMs);
  // Behind a gate the beat goes on and leaves nothing: nobody asked for this wake.
  const open =
    isInvokable(agent.status) && inputs.company.status === "active" && !companyOverBudget(draft);
  const joins = state.runs.some(
    (run) => run.cancel === null && run.issueId === null && run.taskKey === null,
  );
  if (!fires || !open || joins || policy.timetable.schedule.kind === "none")
    return draft.done(null, "applied");
  return onWake(draft, {
    id: due.id,
    source: "timer",
    triggerDetail: "system",
    reason: "heartbeat_timer",
    requestedByActorType: "system",
    requestedByActorId: "heartbeat_scheduler",
    contextSnapshot: {
      source: "scheduler",
      reason: policy.timetable.schedule.kind === "cron" ? "cron_due" : "interval_elapsed",
      now: isoTime(delivery.atMs),
    },
  });
}

/** The agent's own timer is due then (ms; null: never): state, row and heap. */
export function setTimer(draft: Draft, dueAtMs: number | null): void {
  const { id: agentId, companyId } = draft.state.agent;
  draft.changeAgent({ nextTimerAtMs: dueAtMs });
  draft.row({
    table: "agents",
    op: "update",
    row: {
      id: agentId,
      nextTimerAt: dueAtMs === null ? null : isoTime(dueAtMs),
      timerChanged: true,
    },
  });
  draft.effect({ kind: "set-timer", timer: "heartbeat", companyId, agentId, dueAtMs });
}

function onRetryDue(draft: Draft, due: TimerDue): Decision {
  const { state, delivery } = draft;
  if (state.agent.nextRetryAtMs !== due.dueAtMs) return draft.done(null, "stale");
  // By the clock that sent the timer: the stream's may be behind it.
  const nowMs = Math.max(delivery.atMs, due.dueAtMs);
  for (const run of state.runs)
    if (isDelayed(run) && run.notBeforeMs! <= nowMs) draft.changeRun(run.id, { notBeforeMs: null });
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return draft.done();
}
