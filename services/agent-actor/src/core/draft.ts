/**
 * A decision in the making: the state as it is so far, and the rows and effects that go with it. Local
 * to one call of `decide`; from outside nothing is mutated. It keeps rows and state in step, so that
 * no handler can change one and forget the other.
 */
import { isoTime } from "@reveille/shared/protocol/time";
import type { EventType } from "@reveille/shared/protocol/events";
import type { RunEvent } from "@reveille/shared/protocol/execution";
import type { Verdict } from "@reveille/shared/protocol/wake";
import type { Decided, Effect, Outcome, Row } from "./decision.js";
import type { Delivery, Inputs, LockRequest } from "./delivery.js";
import { liveColumns, newRow } from "./run-row.js";
import type { AgentState, AgentStatus, Json, RunState, WaitState } from "./state.js";
import { isInvokable, isRunning, statusOf } from "./state.js";

export type Draft = ReturnType<typeof createDraft>;

export function createDraft(initial: AgentState, delivery: Delivery, inputs: Inputs) {
  let state = initial;
  const rows: Row[] = [];
  const effects: Effect[] = [];
  const wanted: LockRequest[] = [];
  const { companyId } = delivery;

  const announce = (type: EventType, payload: Json): void =>
    void effects.push({ kind: "announce", type, companyId, atMs: delivery.atMs, payload });

  const draft = {
    delivery,
    inputs,
    get state(): AgentState {
      return state;
    },
    run: (id: string): RunState | undefined => state.runs.find((run) => run.id === id),
    row: (row: Row): void => void rows.push(row),
    effect: (effect: Effect): void => void effects.push(effect),
    announce,
    /** Locks that the shell has to ask for before this can be decided. */
    need: (request: LockRequest): void => void wanted.push(request),
    get needed(): readonly LockRequest[] {
      return wanted;
    },

    addRun(run: RunState): void {
      state = { ...state, runs: [...state.runs, run] };
      rows.push({ table: "runs", op: "insert", row: newRow(state, run) });
    },
    changeRun(id: string, changes: Partial<RunState>): RunState {
      const changed = {
        ...state.runs.find((run) => run.id === id)!,
        ...changes,
        updatedAtMs: delivery.atMs,
      };
      state = { ...state, runs: state.runs.map((run) => (run.id === id ? changed : run)) };
      rows.push({
        table: "runs",
        op: "update",
        row: liveColumns(state, changed, changes.context !== undefined),
      });
      return changed;
    },
    /** Takes a run out of the state; `columns` are its terminal ones. */
    endRun(run: RunState, columns: Json): void {
      state = { ...state, runs: state.runs.filter((other) => other.id !== run.id) };
      const ended = { ...run, updatedAtMs: delivery.atMs, holdsIssue: false };
      rows.push({
        table: "runEnds",
        op: "update",
        row: {
          ...liveColumns(state, ended, false),
          ...columns,
          phase: "over",
          owesRelease: owesRelease(run),
        },
      });
      if (owesRelease(run)) draft.release(run.issueId!, run.id, "run", run.id);
    },
    addWait(wait: WaitState): void {
      state = { ...state, waits: [...state.waits, wait] };
    },
    changeWait(requestId: string, changes: Partial<WaitState>): void {
      state = {
        ...state,
        waits: state.waits.map((wait) =>
          wait.requestId === requestId ? { ...wait, ...changes } : wait,
        ),
      };
    },
    removeWait(requestId: string): void {
      state = { ...state, waits: state.waits.filter((wait) => wait.requestId !== requestId) };
    },
    /** Passes the lock of an issue on; the row that owes it says so until the KV has it. */
    release(issueId: string, runId: string, owner: "run" | "wake", ownerId: string): void {
      rows.push({ table: "issues", op: "update", row: { id: issueId, endedRunId: runId } });
      effects.push({ kind: "release", companyId, issueId, runId, owner, ownerId });
    },
    changeAgent(changes: Partial<AgentState["agent"]>): void {
      state = { ...state, agent: { ...state.agent, ...changes } };
    },
    changeState(changes: Partial<Pick<AgentState, "policy" | "sessionId">>): void {
      state = { ...state, ...changes };
    },

    /** Appends an event to a live run: numbered here and nowhere else, without gaps. */
    event(runId: string, event: Omit<RunEvent, "at"> & { at?: string }): number {
      const run = draft.run(runId)!;
      const seq = run.lastEventSeq + 1;
      draft.changeRun(runId, { lastEventSeq: seq });
      writeEvent(runId, seq, event);
      return seq;
    },
    /** The last event of a run that has just left the state. */
    closingEvent: (runId: string, seq: number, event: Omit<RunEvent, "at">): void =>
      writeEvent(runId, seq, event),

    announceRun(
      run: RunState,
      over?: { status: string; error: string | null; errorCode: string | null },
    ): void {
      announce("heartbeat.run.status", {
        runId: run.id,
        agentId: state.agent.id,
        status: over?.status ?? statusOf(run),
        invocationSource: run.source,
        triggerDetail: run.triggerDetail,
        error: over?.error ?? null,
        errorCode: over?.errorCode ?? null,
        startedAt: run.startedAtMs === null ? null : isoTime(run.startedAtMs),
        finishedAt: over ? isoTime(delivery.atMs) : null,
      });
    },
    /**
     * The agent's status follows from what lives: running with a live run, else what the last outcome
     * says. A gate (paused, terminated, pending) is never touched from here.
     */
    settleAgent(outcome: string): void {
      const { agent } = state;
      const alive = state.runs.some(isRunning);
      const rest: AgentStatus = outcome === "failed" || outcome === "timed_out" ? "error" : "idle";
      const status = isInvokable(agent.status) ? (alive ? "running" : rest) : agent.status;
      const ended = outcome !== "running";
      draft.changeAgent({ status, ...(ended ? { lastHeartbeatAtMs: delivery.atMs } : {}) });
      const lastHeartbeatAt = isoTime(delivery.atMs);
      rows.push({
        table: "agents",
        op: "update",
        row: { id: agent.id, status, ...(ended ? { lastHeartbeatAt } : {}) },
      });
      announce("agent.status", {
        agentId: agent.id,
        status,
        outcome,
        ...(ended ? { lastHeartbeatAt } : {}),
      });
    },

    done: (verdict: Verdict | null = null, outcome: Outcome = "applied"): Decided => ({
      kind: "decided",
      state,
      rows,
      effects,
      verdict,
      outcome,
    }),
  };

  function writeEvent(
    runId: string,
    seq: number,
    event: Omit<RunEvent, "at"> & { at?: string },
  ): void {
    const payload = {
      runId,
      agentId: state.agent.id,
      seq,
      eventType: event.eventType,
      stream: event.stream ?? "system",
      level: event.level ?? "info",
      color: event.color ?? null,
      message: event.message ?? null,
      payload: event.payload ?? null,
    };
    rows.push({
      table: "events",
      op: "insert",
      row: { ...payload, companyId, createdAt: event.at ?? isoTime(delivery.atMs) },
    });
    announce("heartbeat.run.event", payload);
  }
  return draft;
}

/** A run that holds its issue owes its release, and so does one that stands among the waiters. */
const owesRelease = (run: RunState): boolean =>
  run.issueId !== null && (run.holdsIssue || run.phase === "waiting");

/** Nothing changes. */
export const unchanged = (state: AgentState, outcome: Outcome): Decided => ({
  kind: "decided",
  state,
  rows: [],
  effects: [],
  verdict: null,
  outcome,
});
