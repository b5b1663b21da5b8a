/**
 * The interval timer came due. Its next due time moves on from when it was due, so that other wakes
 * never push it; a period that was missed fires once. At most one timer run of an agent waits, and a
 * wake that would only join a live run of the same scope leaves no row.
 */
import type { TimerDue } from "@reveille/shared/protocol/commands";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { onWake } from "./on-wake.js";
import { nextTimerAfter } from "./policy.js";
import { isInvokable } from "./state.js";

export function onTimer(draft: Draft, due: TimerDue): Decision {
  const { state, delivery } = draft;
  if (state.agent.nextTimerAtMs !== due.dueAtMs) return draft.done(null, "stale");
  const next = nextDue(draft, due.dueAtMs);
  draft.changeAgent({ nextTimerAtMs: next });
  draft.row({
    table: "agents",
    op: "update",
    row: {
      id: state.agent.id,
      nextTimerAt: next === null ? null : isoTime(next),
      timerChanged: true,
    },
  });
  draft.effect({
    kind: "set-timer",
    timer: "heartbeat",
    companyId: state.agent.companyId,
    agentId: state.agent.id,
    dueAtMs: next,
  });
  const joins = state.runs.some(
    (run) => run.cancel === null && run.issueId === null && run.taskKey === null,
  );
  if (next === null || !isInvokable(state.agent.status) || joins)
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
      reason: "interval_elapsed",
      now: isoTime(delivery.atMs),
    },
  });
}

function nextDue(draft: Draft, dueAtMs: number): number | null {
  const first = nextTimerAfter(draft.state.policy, dueAtMs);
  if (first === null || first > draft.delivery.atMs) return first;
  const periodMs = draft.state.policy.intervalSec * 1000;
  const missed = Math.floor((draft.delivery.atMs - first) / periodMs) + 1;
  return first + missed * periodMs;
}
