/**
 * Events of a run, numbered here and nowhere else: 1..n without gaps or repeats, because only the owner
 * of the agent appends them, in the same transaction as the run's own row.
 */
import type { RunEvent } from "@reveille/shared/protocol/execution";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Draft } from "./draft.js";
import { boundJson } from "./run-result.js";
import type { RunState } from "./state.js";
import { statusOf } from "./state.js";

/** An event with its own time, or with the time of the message that is decided. */
type NewEvent = Omit<RunEvent, "at"> & { at?: string };

/** Appends an event to a live run. */
export function appendEvent(draft: Draft, runId: string, event: NewEvent): void {
  const seq = draft.run(runId)!.lastEventSeq + 1;
  draft.changeRun(runId, { lastEventSeq: seq });
  writeEvent(draft, runId, seq, event);
}

/** Writes an event under a number that its run's row has already: the last one of a run that has just ended. */
export function writeEvent(draft: Draft, runId: string, seq: number, event: NewEvent): void {
  const payload = {
    runId,
    agentId: draft.state.agent.id,
    seq,
    eventType: event.eventType,
    stream: event.stream ?? "system",
    level: event.level ?? "info",
    color: event.color ?? null,
    message: event.message ?? null,
    payload: event.payload ? boundJson(event.payload) : null,
  };
  const { companyId, atMs } = draft.delivery;
  draft.row({
    table: "events",
    op: "insert",
    row: { ...payload, companyId, createdAt: event.at ?? isoTime(atMs) },
  });
  draft.announce("heartbeat.run.event", payload);
}

/** Tells consoles where a run is; `over` says how it ended. */
export function announceRun(
  draft: Draft,
  run: RunState,
  over?: { status: string; error: string | null; errorCode: string | null },
): void {
  draft.announce("heartbeat.run.status", {
    runId: run.id,
    agentId: draft.state.agent.id,
    status: over?.status ?? statusOf(run),
    invocationSource: run.source,
    triggerDetail: run.triggerDetail,
    error: over?.error ?? null,
    errorCode: over?.errorCode ?? null,
    startedAt: run.startedAtMs === null ? null : isoTime(run.startedAtMs),
    finishedAt: over ? isoTime(draft.delivery.atMs) : null,
  });
}
