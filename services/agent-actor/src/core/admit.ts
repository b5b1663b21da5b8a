/**
 * Admission: the one way to a slot. Walks the queue in order while slots are free; a run with an issue
 * takes the issue's lock together with its slot, so a queued run holds nothing and blocks nobody.
 */
import { protocolVersions } from "@reveille/shared/protocol/version";
import { companyOverBudget, stopForCompany } from "./budget.js";
import type { Draft } from "./draft.js";
import { sessionFor, sessionIdBefore } from "./session.js";
import { carriedOn } from "./spend.js";
import type { RunState } from "./state.js";
import { freeSlots, isDelayed, isInvokable } from "./state.js";

/**
 * Dispatches what may be dispatched. False when a lock has to be asked for first: the caller returns
 * what the draft needs, and is called again with the answer.
 */
export function admitQueued(draft: Draft): boolean {
  for (;;) {
    const { state } = draft;
    if (freeSlots(state) === 0 || !isInvokable(state.agent.status)) return true;
    if (draft.inputs.company.status !== "active") {
      draft.meetClosedGate();
      return true;
    }
    const next = state.runs.find((run) => run.phase === "queued" && !isDelayed(run));
    if (!next) return true;
    if (companyOverBudget(draft)) {
      stopForCompany(draft, null);
      return true;
    }
    if (next.issueId !== null) {
      const lock = draft.inputs.locks.get(next.id);
      if (lock === undefined) {
        draft.need({
          issueId: next.issueId,
          runId: next.id,
          requestId: next.wakeRequestId,
          requestedAtMs: next.createdAtMs,
        });
        return false;
      }
      if (lock !== "held") {
        // The slot goes back. A full queue of waiters is met again by the next release of the lock.
        draft.changeRun(next.id, { phase: "waiting" });
        continue;
      }
    }
    dispatch(draft, next);
  }
}

/** Gives a run its slot and sends it to the runners of its pool. */
export function dispatch(draft: Draft, run: RunState): void {
  const { agent } = draft.state;
  const changes = {
    phase: "dispatched",
    attempt: run.attempt + 1,
    claim: null,
    // Each attempt numbers its progress reports from 1: without this a repeated attempt's would pass for repeats.
    progressSeen: 0,
    // What was said of a lost attempt's result is void with it; what it used stays spent.
    reported: carriedOn(run.reported),
    finishRequested: false,
    // The freshest: another run of the task may have ended since this one was queued.
    sessionIdBefore: sessionIdBefore(draft.state, run),
    dispatchedAtMs: draft.delivery.atMs,
    holdsIssue: run.issueId !== null,
  } as const;
  // It holds the lock from now on: a release that was owed from an earlier grant must not take it away.
  const sent = draft.changeRun(run.id, changes, run.issueId === null ? {} : { owesRelease: false });
  if (sent.issueId !== null && !run.holdsIssue)
    draft.row({
      table: "issues",
      op: "update",
      row: {
        id: sent.issueId,
        executionRunId: sent.id,
        executionAgentNameKey: agent.name.trim().toLowerCase() || null,
        executionLockedAtMs: draft.delivery.atMs,
      },
    });
  draft.effect(dispatchEffect(draft.state, sent));
}

/** The execution of a dispatched run, as first sent and as sent again. */
export const dispatchEffect = (state: Draft["state"], run: RunState) =>
  ({
    kind: "dispatch",
    pool: run.pool,
    traceparent: run.traceparent,
    execution: {
      protocol: protocolVersions.newest,
      companyId: state.agent.companyId,
      agentId: state.agent.id,
      agentName: state.agent.name,
      runId: run.id,
      attempt: run.attempt,
      adapterType: state.agent.adapterType,
      adapterConfig: state.agent.adapterConfig,
      context: run.context,
      taskKey: run.taskKey,
      issueId: run.issueId,
      session: sessionFor(state, run),
    },
  }) as const;
