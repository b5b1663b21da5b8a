/** A run as it begins: queued, with nothing but what its wake says. */
import type { Draft } from "./draft.js";
import { rememberSession, sessionIdBefore } from "./session.js";
import type { RunState, WaitState } from "./state.js";

/** What a wake knows of the run that it leads to; a wake that waited for its issue knows the same. */
type Cause = Pick<
  WaitState,
  | "runId"
  | "requestId"
  | "wakeId"
  | "source"
  | "triggerDetail"
  | "context"
  | "taskKey"
  | "traceparent"
> & {
  issueId: string | null;
  /** A run that tries again: which one, and when. */
  retry?: Pick<RunState, "retryOfRunId" | "retryNumber" | "notBeforeMs">;
};

/** Adds the run to the queue and tells consoles. Its place is that of the message which is decided. */
export function addQueuedRun(draft: Draft, cause: Cause): void {
  const { delivery } = draft;
  rememberSession(draft, cause.taskKey);
  const { state } = draft;
  const run: RunState = {
    id: cause.runId,
    wakeRequestId: cause.requestId,
    wakeId: cause.wakeId,
    phase: "queued",
    source: cause.source,
    triggerDetail: cause.triggerDetail,
    context: cause.context,
    issueId: cause.issueId,
    taskKey: cause.taskKey,
    pool: state.policy.pool,
    attempt: 0,
    losses: 0,
    claim: null,
    holdsIssue: false,
    cancel: null,
    createdAtMs: delivery.atMs,
    updatedAtMs: delivery.atMs,
    dispatchedAtMs: null,
    startedAtMs: null,
    position: { generation: delivery.generation, sequence: delivery.sequence },
    lastEventSeq: 0,
    progressSeen: 0,
    sessionIdBefore: sessionIdBefore(state, cause),
    ...(cause.retry ?? { retryOfRunId: null, retryNumber: 0, notBeforeMs: null }),
    reported: null,
    finishRequested: false,
    traceparent: cause.traceparent,
  };
  draft.addRun(run);
  draft.announce("heartbeat.run.queued", {
    runId: run.id,
    agentId: state.agent.id,
    invocationSource: run.source,
    triggerDetail: run.triggerDetail,
    wakeupRequestId: run.wakeRequestId,
  });
}
