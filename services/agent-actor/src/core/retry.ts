/**
 * What follows from how a run ended: failures are counted, and some are tried again. A retry is a new run
 * of the same wake, with an id that follows from the failed run's; it stands in the queue and is not
 * admitted before its time. The wake stays open and closes with the last of the chain.
 */
import type { RunResult } from "@reveille/shared/protocol/execution";
import { deriveId } from "@reveille/shared/protocol/ids";
import { timeOf } from "@reveille/shared/protocol/time";
import type { Draft } from "./draft.js";
import { addQueuedRun } from "./new-run.js";
import type { Ending } from "./outcome.js";
import { isRetried, retryDelayMs, retryHorizonMs } from "./retry-policy.js";
import type { AgentState, RunState } from "./state.js";
import { isInvokable } from "./state.js";

/**
 * Counts the failure (or forgets it) and adds the run that tries again; null: the wake ends here. Called
 * for a run that has just been taken out of the state.
 */
export function followEnd(
  draft: Draft,
  run: RunState,
  ending: Ending,
  result: RunResult | null,
): RunState | null {
  countFailure(draft, ending);
  const { agent, policy } = draft.state;
  const { retry } = policy;
  if (run.retryNumber >= retry.max || !isRetried(retry, ending, result?.transient === true))
    return null;
  if (!isInvokable(agent.status) || agent.deleteRequestedAtMs !== null || isFailing(draft.state))
    return null;
  const runId = deriveId("retry", run.id);
  const { atMs } = draft.delivery;
  const notBeforeMs = Math.max(
    atMs + retryDelayMs(retry, run.retryNumber, runId),
    timeOf(result?.retryNotBefore) ?? 0,
  );
  if (notBeforeMs > atMs + retryHorizonMs) return null;
  const retryNumber = run.retryNumber + 1;
  addQueuedRun(draft, {
    ...run,
    runId,
    requestId: run.wakeRequestId,
    context: { ...run.context, retryOfRunId: run.id, retryNumber },
    retry: { retryOfRunId: run.id, retryNumber, notBeforeMs },
  });
  return draft.run(runId)!;
}

/** Has the agent failed in the same way so often that its policy pauses it? */
export const isFailing = ({ agent, policy }: AgentState): boolean =>
  policy.retry.pauseAfterFailures > 0 &&
  (agent.failure?.count ?? 0) >= policy.retry.pauseAfterFailures;

/** Equal failures in a row, by their code; success forgets them, and a cancelled run says nothing. */
function countFailure(draft: Draft, { status, errorCode }: Ending): void {
  const { id, failure } = draft.state.agent;
  if (status === "cancelled" || (status === "succeeded" && failure === null)) return;
  const code = status === "succeeded" ? null : (errorCode ?? status);
  const count = failure?.code === code ? failure.count + 1 : 1;
  draft.changeAgent({ failure: code === null ? null : { code, count } });
  draft.row({
    table: "agents",
    op: "update",
    row: {
      id,
      failureChanged: true,
      failureCode: code,
      failureCount: code === null ? 0 : count,
    },
  });
}
