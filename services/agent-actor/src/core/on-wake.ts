/**
 * A wake: it becomes a run, joins one that lives, waits for its issue, is skipped by policy, or is
 * refused. Read top to bottom: the first rule that fits decides.
 */
import { deriveId, runIdOfWake, wakeRequestId } from "@reveille/shared/protocol/ids";
import type { WakeRequest } from "@reveille/shared/protocol/wake";
import { admitQueued } from "./admit.js";
import { companyOverBudget } from "./budget.js";
import { commentIdOf, enrichContext, issueIdOf, mergeContexts, taskKeyOf } from "./context.js";
import type { Decision } from "./decision.js";
import type { Delivery } from "./delivery.js";
import type { Draft } from "./draft.js";
import { addQueuedRun } from "./new-run.js";
import { companyRunsMax } from "./policy.js";
import { apiRow } from "./run-row.js";
import { rememberSession } from "./session.js";
import type { RunState } from "./state.js";
import { freeSlots, isDelayed, isInvokable, queuedCount } from "./state.js";
import { giveVerdict, reply, writeRequest } from "./wake-rows.js";
import type { Wake } from "./wake-rows.js";

/** What a wake's fields mean, derived once. */
export function readWake(request: WakeRequest, delivery: Delivery): Wake {
  const { companyId, agentId } = delivery;
  const wakeId = request.id ?? deriveId("wake-id", companyId, agentId, delivery.idSeed);
  const context = enrichContext(request);
  const payload = request.payload ?? {};
  return {
    request,
    wakeId,
    requestId: wakeRequestId(companyId, agentId, wakeId),
    runId: runIdOfWake(companyId, agentId, wakeId),
    context,
    taskKey: taskKeyOf(context, payload),
    issueId: issueIdOf(context, payload),
    commentId: commentIdOf(context, payload),
  };
}

export function onWake(draft: Draft, request: WakeRequest): Decision {
  const { inputs, state } = draft;
  const wake = readWake(request, draft.delivery);
  if (inputs.earlier) {
    reply(draft, inputs.earlier);
    return draft.done(inputs.earlier, "duplicate");
  }
  if (inputs.keyOwner) return joinKeyOwner(draft, wake);
  if (!isInvokable(state.agent.status))
    return rejected(draft, wake, "agent_not_invokable", { status: state.agent.status });
  if (inputs.company.status !== "active")
    return rejected(draft, wake, "company_not_active", { status: inputs.company.status });
  if (companyOverBudget(draft)) return rejected(draft, wake, "company_budget_exceeded");
  if (request.source === "timer" && !state.policy.timerEnabled)
    return skipped(draft, wake, "heartbeat.disabled");
  if (request.source !== "timer" && !state.policy.wakeOnDemand)
    return skipped(draft, wake, "heartbeat.wakeOnDemand.disabled");
  if (wake.issueId !== null && inputs.issues.get(wake.issueId)?.companyId !== state.agent.companyId)
    return skipped(draft, wake, "issue_execution_issue_not_found");
  const joined = runToJoin(state.runs, wake);
  if (joined) return coalesce(draft, wake, joined);
  if (wake.issueId !== null) {
    if (state.waits.some((wait) => wait.issueId === wake.issueId))
      return coalesceIntoWait(draft, wake);
    if (freeSlots(state) > 0) return wakeOnIssue(draft, wake, wake.issueId);
  }
  return queueRun(draft, wake);
}

/**
 * The live run that a wake joins. A comment joins only a run whose context has not gone out yet: a
 * process that runs would never read it. A run that is being cancelled is joined by nothing.
 */
export function runToJoin(runs: readonly RunState[], wake: Wake): RunState | undefined {
  const same = runs.filter(
    (run) =>
      run.cancel === null &&
      (wake.issueId !== null
        ? run.issueId === wake.issueId
        : run.issueId === null && run.taskKey === wake.taskKey),
  );
  const open = same.filter((run) => run.phase === "queued" || run.phase === "waiting");
  return open.at(-1) ?? (wake.commentId === null ? same.at(-1) : undefined);
}

/**
 * A run that waits for its time gathers wakes like any queued one. Somebody who asks for it by hand gets it
 * at once: the delay is there to spare what failed from programs, not from people.
 */
function coalesce(draft: Draft, wake: Wake, target: RunState): Decision {
  const dueNow = isDelayed(target) && wake.request.source === "on_demand";
  draft.changeRun(target.id, {
    context: mergeContexts(target.context, wake.context),
    ...(dueNow ? { notBeforeMs: null } : {}),
  });
  if (dueNow && !admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  const run = draft.run(target.id)!;
  const reason = wake.issueId === null ? {} : { reason: "issue_execution_same_name" };
  writeRequest(draft, wake, { status: "coalesced", runId: run.id, over: true, ...reason });
  return draft.done(
    giveVerdict(
      draft,
      {
        outcome: "coalesced",
        wakeId: wake.wakeId,
        requestId: wake.requestId,
        run: apiRow(draft.state, run),
      },
      { ownsKey: wake.request.idempotencyKey ?? null, runId: run.id },
    ),
  );
}

/** A repeated idempotency key under a new wake id: a row of its own that points to the first run. */
function joinKeyOwner(draft: Draft, wake: Wake): Decision {
  const owner = draft.inputs.keyOwner!;
  const firstRun = owner.run ?? owner.verdict.run ?? null;
  const live = firstRun ? draft.run(String(firstRun["id"])) : undefined;
  const run = live ? apiRow(draft.state, live) : firstRun;
  writeRequest(draft, wake, {
    status: "coalesced",
    runId: run ? String(run["id"]) : null,
    over: true,
  });
  return draft.done(
    giveVerdict(draft, {
      outcome: "coalesced",
      wakeId: wake.wakeId,
      requestId: wake.requestId,
      ...(run ? { run } : {}),
      reason: "idempotency_key",
    }),
  );
}

/**
 * One agent waits at most once per issue: later wakes join the one that waits, and leave no row of their
 * own but a count on it.
 */
function coalesceIntoWait(draft: Draft, wake: Wake): Decision {
  const wait = draft.state.waits.find((other) => other.issueId === wake.issueId)!;
  const context = mergeContexts(wait.context, wake.context);
  const coalescedCount = wait.coalescedCount + 1;
  draft.changeWait(wait.requestId, { context, coalescedCount });
  draft.row({
    table: "wakes",
    op: "update",
    row: { id: wait.requestId, contextSnapshot: context, coalescedCount },
  });
  return draft.done(
    giveVerdict(
      draft,
      {
        outcome: "coalesced",
        wakeId: wake.wakeId,
        requestId: wait.requestId,
        reason: "issue_execution_deferred",
      },
      { ownsKey: wake.request.idempotencyKey ?? null },
    ),
  );
}

/** A slot is free: the issue's lock decides between a run and a wait. */
function wakeOnIssue(draft: Draft, wake: Wake, issueId: string): Decision {
  const lock = draft.inputs.locks.get(wake.runId);
  const requestedAtMs = draft.delivery.atMs;
  if (lock === undefined)
    return {
      kind: "needs",
      locks: [{ issueId, runId: wake.runId, requestId: wake.requestId, requestedAtMs }],
    };
  if (lock === "held") return queueRun(draft, wake);
  if (lock === "full") return rejected(draft, wake, "issue_queue_full");
  const { request, context, wakeId, requestId, runId, taskKey } = wake;
  rememberSession(draft, taskKey);
  draft.addWait({
    requestId,
    wakeId,
    runId,
    issueId,
    source: request.source,
    triggerDetail: request.triggerDetail ?? null,
    reason: request.reason ?? null,
    context,
    taskKey,
    requestedAtMs,
    position: { generation: draft.delivery.generation, sequence: draft.delivery.sequence },
    coalescedCount: 0,
    traceparent: draft.delivery.traceparent,
  });
  writeRequest(draft, wake, {
    status: "deferred_issue_execution",
    reason: "issue_execution_deferred",
    payload: { ...request.payload, issueId, _paperclipWakeContext: context },
  });
  return draft.done(
    giveVerdict(
      draft,
      { outcome: "deferred", wakeId, requestId, reason: "issue_execution_deferred" },
      { ownsKey: request.idempotencyKey ?? null, runId },
    ),
  );
}

function queueRun(draft: Draft, wake: Wake): Decision {
  const { state } = draft;
  // With a free slot it is dispatched at once and never stands in the queue.
  const full =
    queuedCount(state) >= state.policy.maxQueuedRuns ||
    draft.inputs.company.liveRuns >= companyRunsMax;
  if (freeSlots(state) === 0 && full) return rejected(draft, wake, "queue_full");
  const { request } = wake;
  addQueuedRun(draft, {
    ...wake,
    traceparent: draft.delivery.traceparent,
    source: request.source,
    triggerDetail: request.triggerDetail ?? null,
  });
  writeRequest(draft, wake, { status: "queued", runId: wake.runId });
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return draft.done(
    giveVerdict(
      draft,
      {
        outcome: "queued",
        wakeId: wake.wakeId,
        requestId: wake.requestId,
        run: apiRow(draft.state, draft.run(wake.runId)!),
      },
      { ownsKey: request.idempotencyKey ?? null, runId: wake.runId },
    ),
  );
}

function skipped(draft: Draft, wake: Wake, reason: string): Decision {
  writeRequest(draft, wake, { status: "skipped", reason, over: true });
  return draft.done(
    giveVerdict(
      draft,
      { outcome: "skipped", wakeId: wake.wakeId, requestId: wake.requestId, reason },
      { ownsKey: wake.request.idempotencyKey ?? null },
    ),
  );
}

/** Refused: no row of a request, but the verdict is kept. */
function rejected(
  draft: Draft,
  wake: Wake,
  reason: string,
  details?: Record<string, unknown>,
): Decision {
  return draft.done(
    giveVerdict(draft, {
      outcome: "rejected",
      wakeId: wake.wakeId,
      reason,
      ...(details ? { details } : {}),
    }),
  );
}
