/**
 * The spans of an actor host: one for each traced message, in it how long it waited, was decided and was
 * committed; and what that did to runs. Told after the commit, of what was committed alone. Off it costs a
 * look at a flag.
 *
 * A wake has a span always (it begins the trace when its publisher began none), every other message when its
 * header names a trace. The span of a run is known by the run's id before it is told, at the end of the run;
 * what is dispatched for it stands under it from the start.
 */
import type { StoredMessage } from "@reveille/shared/nats/partition-reader";
import type { Tracing } from "@reveille/shared/runtime/tracing";
import type { Delivery } from "../core/delivery.js";
import type { RunState } from "../core/state.js";
import type { Read } from "./decode.js";
import type { DecisionNote } from "./tally.js";

export interface MessageTrace {
  context: string;
  parent: string | null;
}
export interface TracedItem {
  message: StoredMessage;
  read: Read | { kind: "applied" };
  /** Null: it is not traced. */
  trace: MessageTrace | null;
  /** When a batch took it, milliseconds since 1970. */
  takenMs: number;
}
/** Milliseconds since 1970. */
export interface BatchTimes {
  beganMs: number;
  decidedMs: number;
  committedMs: number;
}
export interface Traces {
  /** A message's span, and the message as it is decided: it belongs to that span. */
  begin<Any extends Read | { kind: "applied" }>(
    read: Any,
  ): { read: Any; trace: MessageTrace | null };
  committed(items: readonly TracedItem[], notes: readonly DecisionNote[], times: BatchTimes): void;
}

const nsPerMs = 1e6;

export function createTraces(tracing: Tracing): Traces {
  return {
    begin: (read) => {
      const delivery = tracing.on && read.kind === "delivery" ? read.delivery : null;
      const parent = delivery?.traceparent ?? null;
      const context =
        delivery && (parent !== null || isWake(delivery)) ? tracing.child(parent) : null;
      if (context === null) return { read, trace: null };
      const decided = { ...read, delivery: { ...delivery, traceparent: context } };
      return { read: decided, trace: { context, parent } };
    },
    committed: (items, notes, times) => {
      if (!tracing.on) return;
      const noteOf = new Map(notes.map((note) => [note.delivery, note]));
      for (const item of items) {
        if (item.trace === null || item.read.kind !== "delivery") continue;
        const { delivery } = item.read;
        recordMessage(
          tracing,
          item,
          item.trace,
          delivery,
          noteOf.get(delivery),
          times,
          items.length,
        );
      }
      for (const note of notes) recordRuns(tracing, note);
    },
  };
}

const isWake = ({ message }: Delivery): boolean =>
  message.kind === "wake" || (message.kind === "timer" && message.body.timer === "heartbeat");

function recordMessage(
  tracing: Tracing,
  { message, takenMs }: TracedItem,
  { context, parent }: MessageTrace,
  delivery: Delivery,
  note: DecisionNote | undefined,
  { beganMs, decidedMs, committedMs }: BatchTimes,
  batchMessages: number,
): void {
  const storedMs = Number(message.timestampNs) / nsPerMs;
  const step = (name: string, startMs: number, endMs: number, attributes = {}): void =>
    tracing.record({
      name,
      context: tracing.child(context)!,
      parent: context,
      startMs,
      endMs,
      attributes,
    });
  // Its parts stand inside of it, whatever two clocks make of its beginning.
  const startMs = Math.min(storedMs, takenMs);
  step("mailbox wait", startMs, takenMs);
  step("decide", beganMs, decidedMs);
  step("commit", decidedMs, committedMs, { "reveille.batch.messages": batchMessages });
  const verdict = note?.decided.verdict ?? null;
  tracing.record({
    name: `mailbox ${delivery.message.kind}`,
    context,
    parent,
    kind: "consumer",
    startMs,
    endMs: committedMs,
    attributes: {
      "reveille.company.id": delivery.companyId,
      "reveille.agent.id": delivery.agentId,
      "reveille.run.id": runIdOf(delivery, note),
      "reveille.wake.id": verdict?.wakeId,
      "reveille.wake.outcome": verdict?.outcome,
      "reveille.wake.reason": verdict?.reason,
      "reveille.message.outcome": note?.decided.outcome,
      "reveille.partition": delivery.partition,
      "messaging.system": "nats",
      "messaging.message.id": String(delivery.sequence),
    },
    links: note ? linksOf(tracing, note, context) : [],
  });
}

function runIdOf({ message }: Delivery, note: DecisionNote | undefined): string | undefined {
  const named = "body" in message && "runId" in message.body ? message.body.runId : undefined;
  const { run } = note?.decided.verdict ?? {};
  return named ?? (run ? String(run["id"]) : undefined);
}

/** A wake that joined a run, or one that waits, is told so: its own trace ends here and goes on there. */
function linksOf(tracing: Tracing, { decided }: DecisionNote, own: string): string[] {
  const { verdict, state } = decided;
  if (verdict?.outcome !== "coalesced") return [];
  const run = state.runs.find(({ id }) => id === verdict.run?.["id"]);
  const wait = state.waits.find(({ requestId }) => requestId === verdict.requestId);
  const joined = run?.traceparent ? tracing.named(run.traceparent, run.id) : wait?.traceparent;
  return joined && joined !== own ? [joined] : [];
}

function recordRuns(tracing: Tracing, { before, delivery, decided }: DecisionNote): void {
  const known = new Map(before.runs.map((run) => [run.id, run]));
  for (const run of decided.state.runs) {
    const first = run.attempt === 1 && (known.get(run.id)?.attempt ?? 0) === 0;
    if (!first || run.traceparent === null || run.dispatchedAtMs === null) continue;
    const parent = tracing.named(run.traceparent, run.id);
    tracing.record({
      name: "queue wait",
      context: tracing.child(parent)!,
      parent,
      startMs: run.createdAtMs,
      endMs: run.dispatchedAtMs,
      attributes: attributesOf(delivery, run),
    });
  }
  for (const row of decided.rows) {
    const run = row.table === "runEnds" ? known.get(row.row.id) : undefined;
    if (row.table !== "runEnds" || !run?.traceparent) continue;
    const { status, error, errorCode } = row.row;
    tracing.record({
      name: "run",
      context: tracing.named(run.traceparent, run.id),
      parent: run.traceparent,
      startMs: run.createdAtMs,
      endMs: delivery.atMs,
      attributes: {
        ...attributesOf(delivery, run),
        "reveille.run.status": String(status),
        "reveille.run.error_code": typeof errorCode === "string" ? errorCode : undefined,
        "reveille.run.attempts": run.attempt,
        "reveille.run.retry_of": run.retryOfRunId,
      },
      error: status === "failed" || status === "timed_out" ? textOf(error, status) : null,
    });
  }
}

const textOf = (error: unknown, status: string): string =>
  typeof error === "string" ? error : status;

const attributesOf = ({ companyId, agentId }: Delivery, run: RunState) => ({
  "reveille.company.id": companyId,
  "reveille.agent.id": agentId,
  "reveille.run.id": run.id,
  "reveille.issue.id": run.issueId,
  "reveille.pool": run.pool,
});
