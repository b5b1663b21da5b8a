/** The rows of a wake: its request, and the verdict that is kept so that a repeat writes nothing. */
import { isoTime } from "@reveille/shared/protocol/time";
import type { Verdict, WakeRequest } from "@reveille/shared/protocol/wake";
import type { Draft } from "./draft.js";
import type { Json } from "./state.js";

/** A wake with everything that was derived for it. */
export interface Wake {
  request: WakeRequest;
  /** The publisher's id, or the derived one. */
  wakeId: string;
  requestId: string;
  runId: string;
  context: Json;
  taskKey: string | null;
  issueId: string | null;
  commentId: string | null;
}

/** Writes the request row. A request that is over at once (coalesced, skipped) carries its end. */
export function writeRequest(
  draft: Draft,
  wake: Wake,
  columns: {
    status: string;
    reason?: string | null;
    runId?: string | null;
    payload?: Json;
    over?: boolean;
  },
): void {
  const { delivery } = draft;
  const at = isoTime(delivery.atMs);
  draft.row({
    table: "wakes",
    op: "insert",
    row: {
      id: wake.requestId,
      companyId: delivery.companyId,
      agentId: delivery.agentId,
      source: wake.request.source,
      triggerDetail: wake.request.triggerDetail ?? null,
      reason: columns.reason === undefined ? (wake.request.reason ?? null) : columns.reason,
      payload: columns.payload ?? wake.request.payload ?? null,
      status: columns.status,
      waits: columns.status === "deferred_issue_execution",
      coalescedCount: columns.status === "coalesced" ? 1 : 0,
      requestedByActorType: wake.request.requestedByActorType ?? null,
      requestedByActorId: wake.request.requestedByActorId ?? null,
      idempotencyKey: wake.request.idempotencyKey ?? null,
      runId: columns.runId ?? null,
      requestedAt: at,
      finishedAt: columns.over ? at : null,
      wakeId: wake.wakeId,
      partition: delivery.partition,
      issueId: columns.status === "deferred_issue_execution" ? wake.issueId : null,
      taskKey: wake.taskKey,
      contextSnapshot: columns.status === "deferred_issue_execution" ? wake.context : null,
      generation: delivery.generation,
      streamSeq: delivery.sequence,
      traceparent: delivery.traceparent,
      createdAt: at,
      updatedAt: at,
    },
  });
}

/** Keeps the verdict and answers whoever asked. `ownsKey`: this wake is the first with its idempotency key. */
export function giveVerdict(
  draft: Draft,
  verdict: Verdict,
  kept: { ownsKey?: string | null; runId?: string | null } = {},
): Verdict {
  const { delivery } = draft;
  draft.row({
    table: "verdicts",
    op: "insert",
    row: {
      agentId: delivery.agentId,
      wakeId: verdict.wakeId,
      companyId: delivery.companyId,
      verdict,
      idempotencyKey: kept.ownsKey ?? null,
      runId: kept.runId ?? null,
      createdAt: isoTime(delivery.atMs),
    },
  });
  reply(draft, verdict);
  return verdict;
}

/** Answers whoever asked for the verdict. */
export function reply(draft: Draft, verdict: Verdict): void {
  const { replyTo, encoding } = draft.delivery;
  if (replyTo !== null) draft.effect({ kind: "reply", subject: replyTo, encoding, verdict });
}
