/**
 * A runner holds the execution and asks for its go. The first claim of the current attempt gets it; the
 * same claim gets the same answer again; any other claim gets `no`, so one (run, attempt) starts one
 * process (G4).
 */
import type { RunStarted } from "@reveille/shared/protocol/execution";
import { isoTime } from "@reveille/shared/protocol/time";
import { settleAgent } from "./agent-status.js";
import { companyOverBudget, stopForCompany } from "./budget.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { budgetReasons } from "./outcome.js";
import { announceRun, appendEvent } from "./run-events.js";
import { isRunning } from "./state.js";

export function onRunStarted(draft: Draft, report: RunStarted): Decision {
  const run = draft.run(report.runId);
  const refuse = (reason: string): Decision => {
    answer(draft, report, "no", reason);
    return draft.done(null, "stale");
  };
  if (!run) return refuse("the run is over or unknown");
  if (run.attempt !== report.attempt) return refuse("another attempt is current");
  if (isRunning(run)) {
    if (run.claim?.claimId !== report.claimId) return refuse("another claim has this attempt");
    // A cancel that came after the go is carried by control messages: this claim did get its go.
    answer(draft, report, "go");
    return draft.done(null, "duplicate");
  }
  if (run.phase !== "dispatched") return refuse("the run is not dispatched");
  if (companyOverBudget(draft)) {
    stopForCompany(draft, null);
    answer(draft, report, "no", budgetReasons.company);
    return draft.done();
  }
  const first = run.startedAtMs === null;
  draft.changeRun(run.id, {
    phase: "running",
    claim: {
      claimId: report.claimId,
      incarnation: report.incarnation,
      runnerId: report.runnerId,
      sealKey: report.sealKey ?? null,
    },
    startedAtMs: run.startedAtMs ?? draft.delivery.atMs,
  });
  if (first) {
    const at = isoTime(draft.delivery.atMs);
    draft.row({
      table: "wakes",
      op: "update",
      row: { id: run.wakeRequestId, status: "claimed", claimedAt: at, updatedAt: at },
    });
    announceRun(draft, draft.run(run.id)!);
  }
  if (draft.state.agent.status !== "running" || first) settleAgent(draft, "running");
  appendEvent(draft, run.id, {
    eventType: "lifecycle",
    message: first ? "run started" : `run started again, attempt ${run.attempt}`,
  });
  answer(draft, report, "go");
  return draft.done();
}

function answer(draft: Draft, report: RunStarted, kind: "go" | "no", reason?: string): void {
  const { id: agentId, companyId, adapterType } = draft.state.agent;
  draft.effect({
    kind: "answer",
    report: "started",
    answer: kind,
    incarnation: report.incarnation,
    runId: report.runId,
    attempt: report.attempt,
    claimId: report.claimId,
    ...(reason ? { reason } : {}),
    ...(kind === "go" ? { token: { companyId, agentId, adapterType } } : {}),
  });
}
