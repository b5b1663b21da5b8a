/**
 * The one way in which a run ends: row, wake, event, session, runtime state, cost, agent status and the
 * lock that is owed go into one decision, so into one transaction (G8). Terminal is final: a run that is
 * over is in no state any more, so nothing can end it again.
 */
import type {
  LogSeal,
  RunFinished,
  RunResult,
  UsageSoFar,
} from "@reveille/shared/protocol/execution";
import { tailOf } from "@reveille/shared/protocol/text";
import { isoTime } from "@reveille/shared/protocol/time";
import { settleAgent } from "./agent-status.js";
import { finishDeletion } from "./deletion.js";
import type { Draft } from "./draft.js";
import type { Ending } from "./outcome.js";
import { wakeStatusOf } from "./outcome.js";
import { followEnd } from "./retry.js";
import { announceRun, writeEvent } from "./run-events.js";
import { resultJson } from "./run-result.js";
import { keepSession } from "./session.js";
import { chargeRun, microsOf, usageJson, usageOf } from "./spend.js";
import type { Json, RunState } from "./state.js";

export interface Evidence {
  result: RunResult;
  /** Null when its runner was lost before it could seal the log. */
  sealed: {
    log: LogSeal;
    stdoutExcerpt: string;
    stderrExcerpt: string;
    containment: RunFinished["containment"];
  } | null;
}

/** 32 Ki characters of each stream, the last ones, as the reference keeps. */
const excerptMax = 32 * 1024;

/** Ends a live run. `evidence` is there when a process (or what stands for it) came to a result. */
export function endRun(
  draft: Draft,
  run: RunState,
  ending: Ending,
  evidence: Evidence | null,
): void {
  const finishedAt = isoTime(draft.delivery.atMs);
  const seq = run.lastEventSeq + 1;
  // What threw has no result: its sessions and its usage are what they were before.
  const result = evidence?.result.threw ? null : (evidence?.result ?? null);
  const used = usageOf(run.reported, result);
  const left = run.startedAtMs === null ? null : { result, error: ending.error };
  const sessionIdAfter = left && keepSession(draft, run, left);
  draft.endRun(run, {
    status: ending.status,
    error: ending.error,
    errorCode: ending.errorCode,
    finishedAt,
    lastEventSeq: seq,
    usageJson: usageJson(used, result),
    sessionIdAfter,
    ...(evidence ? evidenceColumns(evidence) : {}),
  });
  const retry = followEnd(draft, run, ending, evidence?.result ?? null);
  const wake = retry
    ? { status: "queued", runId: retry.id }
    : { status: wakeStatusOf(ending.status), error: ending.error, finishedAt };
  draft.row({
    table: "wakes",
    op: "update",
    row: { id: run.wakeRequestId, ...wake, updatedAt: finishedAt },
  });
  announceRun(draft, run, ending);
  writeEvent(draft, run.id, seq, closingEvent(ending, evidence, retry));
  if (left) {
    writeRuntimeState(draft, run, ending, used);
    chargeRun(draft, run, used, result);
  }
  settleAgent(draft, ending.status);
  finishDeletion(draft);
}

/** Where no result came to be, the last event is the error itself. It names the run that tries again. */
function closingEvent(
  ending: Ending,
  evidence: Evidence | null,
  retry: RunState | null,
): Parameters<typeof writeEvent>[3] {
  const next = retry ? { retryRunId: retry.id, retryAt: isoTime(retry.notBeforeMs!) } : null;
  if (ending.status === "failed" && (evidence === null || evidence.result.threw))
    return { eventType: "error", level: "error", message: ending.error, payload: next };
  const level =
    ending.status === "succeeded" ? "info" : ending.status === "cancelled" ? "warn" : "error";
  return {
    eventType: "lifecycle",
    level,
    message: `run ${ending.status}`,
    payload: { status: ending.status, exitCode: evidence?.result.exitCode ?? null, ...next },
  };
}

function evidenceColumns({ result, sealed }: Evidence): Json {
  return {
    exitCode: result.exitCode,
    signal: result.signal,
    resultJson: resultJson(result),
    ...(sealed
      ? {
          logBytes: sealed.log.bytes,
          logSha256: sealed.log.sha256,
          // A log that could not be kept whole says so; it never turns the outcome.
          logCut: sealed.log.cut ?? null,
          logCompressed: false,
          stdoutExcerpt: tailOf(sealed.stdoutExcerpt, excerptMax),
          stderrExcerpt: tailOf(sealed.stderrExcerpt, excerptMax),
          containment: sealed.containment,
        }
      : {}),
  };
}

/** Totals are added up by the commit; the rest is what the last run left. */
function writeRuntimeState(draft: Draft, run: RunState, ending: Ending, used: UsageSoFar): void {
  const { agent, sessionId } = draft.state;
  draft.row({
    table: "runtimeStates",
    op: "upsert",
    row: {
      agentId: agent.id,
      companyId: agent.companyId,
      adapterType: agent.adapterType,
      sessionId,
      lastRunId: run.id,
      lastRunStatus: ending.status,
      lastError: ending.error,
      ...used.usage,
      costMicros: microsOf(used.costUsd),
      updatedAt: isoTime(draft.delivery.atMs),
    },
  });
}
