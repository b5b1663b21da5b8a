/**
 * Reports of the claim that has the go: progress, the end, the loss. A report of another claim or
 * attempt lost its race and changes nothing; every report is answered, so that it stops being sent.
 */
import type { Expired } from "@reveille/shared/protocol/commands";
import type {
  AnswerKind,
  RunFinished,
  RunLost,
  RunProgress,
} from "@reveille/shared/protocol/execution";
import { admitQueued, dispatch } from "./admit.js";
import { enforceBudget } from "./budget.js";
import type { Decision } from "./decision.js";
import type { Draft } from "./draft.js";
import { endRun } from "./end-run.js";
import { cancelledBy, outcomeOf } from "./outcome.js";
import { pauseIfFailing } from "./pause-failing.js";
import { appendEvent } from "./run-events.js";
import { mergeReported } from "./run-result.js";
import { withUsage } from "./spend.js";
import type { RunState } from "./state.js";
import { isRunning } from "./state.js";

interface Claimed {
  runId: string;
  attempt: number;
  claimId: string;
}

export function onRunProgress(draft: Draft, report: RunProgress): Decision {
  const run = claimedRun(draft, report);
  if (typeof run === "string") return answered(draft, report, "progress", run);
  if (report.progressId <= run.progressSeen)
    return answered(draft, report, "progress", "committed", "duplicate");
  const used = report.usage ? { reported: withUsage(run.reported, report.usage) } : {};
  draft.changeRun(run.id, { progressSeen: report.progressId, ...used });
  for (const event of report.events) appendEvent(draft, run.id, event);
  if (report.usage) enforceBudget(draft, run.id);
  return answered(draft, report, "progress", "committed");
}

export function onRunFinished(draft: Draft, report: RunFinished): Decision {
  const run = claimedRun(draft, report);
  if (typeof run === "string") return answered(draft, report, "finished", run);
  for (const event of report.events) appendEvent(draft, run.id, event);
  const patch = run.reported?.patch;
  const result = patch ? mergeReported(report.result, patch) : report.result;
  endRun(draft, draft.run(run.id)!, outcomeOf(result, run.cancel), { result, sealed: report });
  enforceBudget(draft);
  pauseIfFailing(draft);
  if (!admitQueued(draft)) return { kind: "needs", locks: draft.needed };
  return answered(draft, report, "finished", "committed");
}

export function onRunLost(draft: Draft, report: RunLost): Decision {
  const run = claimedRun(draft, report);
  if (typeof run === "string") return answered(draft, report, "lost", run);
  const loss =
    report.reason === "drained"
      ? ({ cause: "its runner was drained", counts: handBacks(run) >= handBacksMax } as const)
      : ({ cause: "its runner was lost", counts: true } as const);
  if (!lose(draft, run, loss)) return { kind: "needs", locks: draft.needed };
  return answered(draft, report, "lost", "committed");
}

/** The owner itself found no living runner behind the attempt; there is nobody to answer. */
export function onExpired(draft: Draft, expired: Expired): Decision {
  const run = claimedRun(draft, expired);
  if (typeof run === "string") return draft.done(null, "stale");
  if (!lose(draft, run, { cause: "its runner's lease expired", counts: true }))
    return { kind: "needs", locks: draft.needed };
  return draft.done();
}

/** The live run that this claim has, or the answer to a claim that has none. */
function claimedRun(draft: Draft, report: Claimed): RunState | "stale" | "gone" {
  const run = draft.run(report.runId);
  if (!run) return "gone";
  const current =
    isRunning(run) && run.attempt === report.attempt && run.claim?.claimId === report.claimId;
  return current ? run : "stale";
}

/** What stands for the result of a process that is gone, where the agent's own final word has to do. */
const noResult = { exitCode: null, signal: null, timedOut: false } as const;

/**
 * Attempts of one run that drains may take without counting. 50: a pool whose machines are all replaced, one after the
 * other, and then some; what is handed back more often is not a matter of drains.
 */
const handBacksMax = 50;
/** Attempts before this one that were handed back: each of the others was lost. */
const handBacks = ({ attempt, losses }: RunState): number => attempt - 1 - losses;

interface Loss {
  cause: string;
  /** False: a runner that was told to end gave it back, which says nothing against the run. */
  counts: boolean;
}

/**
 * A lost attempt is repeated in the same run, with its slot and its lock; when its losses are used up it
 * fails, and a run whose end was asked for is cancelled. One that was handed back is repeated and not counted, but
 * not where the agent wants nothing repeated. A run that has said its final word has done its work and ends by that
 * word. False when a lock has to be asked for first.
 */
function lose(draft: Draft, run: RunState, { cause, counts }: Loss): boolean {
  if (run.cancel === null && run.finishRequested) {
    const result = mergeReported(noResult, run.reported?.patch ?? {});
    endRun(draft, run, outcomeOf(result, null), { result, sealed: null });
    enforceBudget(draft);
    pauseIfFailing(draft);
    return admitQueued(draft);
  }
  const { lossesMax } = draft.state.policy;
  if (run.cancel === null && (counts ? run.losses < lossesMax : lossesMax > 0)) {
    appendEvent(draft, run.id, {
      eventType: "lifecycle",
      level: counts ? "warn" : "info",
      message: `attempt ${run.attempt} ${counts ? "lost" : "handed back"}: ${cause}; it is repeated`,
      payload: { attempt: run.attempt, reason: cause },
    });
    const losses = run.losses + (counts ? 1 : 0);
    dispatch(draft, draft.changeRun(run.id, { losses, phase: "dispatched", claim: null }));
    return true;
  }
  const ending = run.cancel
    ? cancelledBy(run.cancel.reason)
    : ({ status: "failed", error: `Process lost -- ${cause}`, errorCode: "process_lost" } as const);
  endRun(draft, run, ending, null);
  enforceBudget(draft);
  pauseIfFailing(draft);
  return admitQueued(draft);
}

function answered(
  draft: Draft,
  report: Claimed & { incarnation: string },
  kind: "progress" | "finished" | "lost",
  answer: AnswerKind,
  outcome: "applied" | "duplicate" | "stale" = answer === "committed" ? "applied" : "stale",
): Decision {
  draft.effect({
    kind: "answer",
    report: kind,
    answer,
    incarnation: report.incarnation,
    runId: report.runId,
    attempt: report.attempt,
    claimId: report.claimId,
  });
  return draft.done(null, outcome);
}
