/** A run as its row: the columns that change while it lives, the whole row when it is new, and the JSON of the API. */
import { isoTime } from "@reveille/shared/protocol/time";
import type { AgentState, Json, RunState } from "./state.js";
import { statusOf } from "./state.js";

const iso = (ms: number | null): string | null => (ms === null ? null : isoTime(ms));

/** Where the bytes of a run's log are: the subject tree in the stream of logs. */
const logRef = (companyId: string, runId: string): string => `${companyId}/${runId}`;

/** The columns that change while a run lives. The context is written only when it changed. */
export function liveColumns(
  state: AgentState,
  run: RunState,
  contextChanged: boolean,
): Json & { id: string } {
  return {
    id: run.id,
    status: statusOf(run),
    phase: run.phase,
    live: true,
    active: run.phase !== "queued",
    attempt: run.attempt,
    losses: run.losses,
    claimId: run.claim?.claimId ?? null,
    runnerIncarnation: run.claim?.incarnation ?? null,
    runnerId: run.claim?.runnerId ?? null,
    holdsIssue: run.holdsIssue,
    dispatchedAt: iso(run.dispatchedAtMs),
    startedAt: iso(run.startedAtMs),
    cancelReason: run.cancel?.reason ?? null,
    cancelRequestedAt: iso(run.cancel?.atMs ?? null),
    lastEventSeq: run.lastEventSeq,
    progressSeen: run.progressSeen,
    sealKey: run.claim?.sealKey ?? null,
    notBefore: iso(run.notBeforeMs),
    sessionIdBefore: run.sessionIdBefore,
    reported: run.reported,
    finishRequested: run.finishRequested,
    logStore: run.startedAtMs === null ? null : "jetstream",
    logRef: run.startedAtMs === null ? null : logRef(state.agent.companyId, run.id),
    updatedAt: isoTime(run.updatedAtMs),
    ...(contextChanged ? { contextSnapshot: run.context } : {}),
  };
}

/** The whole row of a new run. */
export function newRow(state: AgentState, run: RunState): Json & { id: string } {
  return {
    ...liveColumns(state, run, true),
    companyId: state.agent.companyId,
    agentId: state.agent.id,
    invocationSource: run.source,
    triggerDetail: run.triggerDetail,
    wakeupRequestId: run.wakeRequestId,
    issueId: run.issueId,
    taskKey: run.taskKey,
    partition: state.agent.partition,
    pool: run.pool,
    retryOfRunId: run.retryOfRunId,
    retryNumber: run.retryNumber,
    wakeId: run.wakeId,
    generation: run.position.generation,
    streamSeq: run.position.sequence,
    traceparent: run.traceparent,
    createdAt: isoTime(run.createdAtMs),
  };
}

/** The run as the API shows it, as this decision leaves it. */
export const apiRow = (state: AgentState, run: RunState): Json => ({
  id: run.id,
  companyId: state.agent.companyId,
  agentId: state.agent.id,
  invocationSource: run.source,
  triggerDetail: run.triggerDetail,
  status: statusOf(run),
  startedAt: iso(run.startedAtMs),
  finishedAt: null,
  error: null,
  errorCode: null,
  wakeupRequestId: run.wakeRequestId,
  exitCode: null,
  signal: null,
  usageJson: null,
  resultJson: null,
  sessionIdBefore: run.sessionIdBefore,
  sessionIdAfter: null,
  logStore: run.startedAtMs === null ? null : "jetstream",
  logRef: run.startedAtMs === null ? null : logRef(state.agent.companyId, run.id),
  logBytes: null,
  logSha256: null,
  logCompressed: false,
  stdoutExcerpt: null,
  stderrExcerpt: null,
  externalRunId: null,
  contextSnapshot: run.context,
  createdAt: isoTime(run.createdAtMs),
  updatedAt: isoTime(run.updatedAtMs),
});
