/**
 * The one way in which a run ends: row, wake, event, runtime state, cost, agent status and the lock that
 * is owed go into one decision, so into one transaction (G8). Afterwards the freed slot is filled.
 */
import type { LogSeal, RunFinished, RunResult } from "@reveille/shared/protocol/execution";
import { deriveId } from "@reveille/shared/protocol/ids";
import { isoTime } from "@reveille/shared/protocol/time";
import { settleAgent } from "./agent-status.js";
import type { Draft } from "./draft.js";
import type { Ending } from "./outcome.js";
import { costMicrosOf, sessionAfter, usageJson, wakeStatusOf } from "./outcome.js";
import { announceRun, writeEvent } from "./run-events.js";
import type { RunState } from "./state.js";

export interface Evidence {
  result: RunResult;
  log: LogSeal;
  stdoutExcerpt: string;
  stderrExcerpt: string;
  containment: RunFinished["containment"];
}

/** Ends a live run. `evidence` is there when a process (or what stands for it) really ran. */
export function endRun(
  draft: Draft,
  run: RunState,
  ending: Ending,
  evidence: Evidence | null,
): void {
  const finishedAt = isoTime(draft.delivery.atMs);
  const seq = run.lastEventSeq + 1;
  const sessionId = evidence
    ? sessionAfter(evidence.result, draft.state.sessionId)
    : draft.state.sessionId;
  draft.endRun(run, {
    status: ending.status,
    error: ending.error,
    errorCode: ending.errorCode,
    finishedAt,
    lastEventSeq: seq,
    ...(evidence ? evidenceColumns(evidence, sessionId) : {}),
  });
  draft.row({
    table: "wakes",
    op: "update",
    row: {
      id: run.wakeRequestId,
      status: wakeStatusOf(ending.status),
      error: ending.error,
      finishedAt,
      updatedAt: finishedAt,
    },
  });
  announceRun(draft, run, ending);
  writeEvent(draft, run.id, seq, {
    eventType: "lifecycle",
    level:
      ending.status === "succeeded" ? "info" : ending.status === "cancelled" ? "warn" : "error",
    message: `run ${ending.status}`,
    payload: { status: ending.status, exitCode: evidence?.result.exitCode ?? null },
  });
  if (evidence) account(draft, run, ending, evidence, sessionId);
  settleAgent(draft, ending.status);
}

const evidenceColumns = ({ result, log, ...rest }: Evidence, sessionId: string | null) => ({
  exitCode: result.exitCode,
  signal: result.signal,
  usageJson: usageJson(result),
  resultJson: result.resultJson ?? null,
  sessionIdAfter: sessionId,
  logBytes: log.bytes,
  logSha256: log.sha256,
  logCut: log.cut ?? null,
  logCompressed: false,
  ...rest,
});

function account(
  draft: Draft,
  run: RunState,
  ending: Ending,
  { result }: Evidence,
  sessionId: string | null,
): void {
  const { agent } = draft.state;
  const costMicros = costMicrosOf(result);
  const usage = result.usage ?? { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 };
  draft.changeState({ sessionId });
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
      inputTokens: usage.inputTokens,
      outputTokens: usage.outputTokens,
      cachedInputTokens: usage.cachedInputTokens,
      costMicros,
      updatedAt: isoTime(draft.delivery.atMs),
    },
  });
  if (costMicros === 0 && usage.inputTokens + usage.outputTokens + usage.cachedInputTokens === 0)
    return;
  draft.row({
    table: "costs",
    op: "insert",
    row: {
      id: deriveId("cost", run.id),
      companyId: agent.companyId,
      agentId: agent.id,
      issueId: run.issueId,
      runId: run.id,
      provider: result.provider ?? "unknown",
      model: result.model ?? "unknown",
      ...usage,
      costMicros,
      costCents: Math.round(costMicros / 10_000),
      occurredAt: isoTime(draft.delivery.atMs),
    },
  });
}
