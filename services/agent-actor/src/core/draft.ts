/**
 * A decision in the making: the state as it is so far, and the rows and effects that go with it. Local
 * to one call of `decide`; from outside nothing is mutated. It keeps rows and state in step, so that
 * no handler can change one and forget the other. It knows no rule: those are in the `on-*` files.
 */
import type { EventType } from "@reveille/shared/protocol/events";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Verdict } from "@reveille/shared/protocol/wake";
import type { Decided, Effect, Outcome, Row } from "./decision.js";
import type { Delivery, Inputs, LockRequest } from "./delivery.js";
import { liveColumns, newRow } from "./run-row.js";
import type { AgentState, Json, Position, RunState, WaitState } from "./state.js";
import { isDelayed } from "./state.js";

export class Draft {
  readonly delivery: Delivery;
  readonly inputs: Inputs;
  /** The state before this message. */
  readonly before: AgentState;
  #state: AgentState;
  readonly #rows: Row[] = [];
  readonly #effects: Effect[] = [];
  readonly #wanted: LockRequest[] = [];
  #gateMet = false;
  readonly #touched = new Map<string, Touched>();

  constructor(state: AgentState, delivery: Delivery, inputs: Inputs) {
    this.#state = state;
    this.before = state;
    this.delivery = delivery;
    this.inputs = inputs;
  }

  get state(): AgentState {
    return this.#state;
  }
  /** Locks that the shell has to ask for before this can be decided. */
  get needed(): readonly LockRequest[] {
    return this.#wanted;
  }
  need(request: LockRequest): void {
    this.#wanted.push(request);
  }
  row(row: Row): void {
    this.#rows.push(row);
  }
  effect(effect: Effect): void {
    this.#effects.push(effect);
  }
  announce(type: EventType, payload: Json): void {
    const { companyId, atMs } = this.delivery;
    this.effect({ kind: "announce", type, companyId, atMs, payload });
  }

  run(id: string): RunState | undefined {
    return this.#state.runs.find((run) => run.id === id);
  }
  addRun(run: RunState): void {
    this.#state = { ...this.#state, runs: [...this.#state.runs, run] };
    this.#touched.set(run.id, { isNew: true, contextChanged: true, columns: {} });
  }
  /**
   * Changes a live run; returns it as it is now. Its row is written once, when the decision is done, and
   * whole: the commit writes every live column. `owesRelease` is the one column that the state does not have.
   */
  changeRun(
    id: string,
    changes: Partial<RunState>,
    columns: { owesRelease?: boolean } = {},
  ): RunState {
    const changed = { ...this.run(id)!, ...changes, updatedAtMs: this.delivery.atMs };
    const runs = this.#state.runs.map((run) => (run.id === id ? changed : run));
    this.#state = { ...this.#state, runs };
    const before = this.#touched.get(id);
    this.#touched.set(id, {
      isNew: before?.isNew ?? false,
      contextChanged: before?.contextChanged === true || changes.context !== undefined,
      columns: { ...before?.columns, ...columns },
    });
    return changed;
  }
  /** Takes a run out of the state; `columns` are its terminal ones. */
  endRun(run: RunState, columns: Json): void {
    const touched = this.#touched.get(run.id);
    // Its last row says everything of a run that was there before, but for a new context.
    if (touched?.isNew || touched?.contextChanged) this.#writeRun(run);
    this.#touched.delete(run.id);
    const runs = this.#state.runs.filter((other) => other.id !== run.id);
    this.#state = { ...this.#state, runs };
    const ended = { ...run, updatedAtMs: this.delivery.atMs, holdsIssue: false };
    const owed = owesRelease(run);
    this.row({
      table: "runEnds",
      op: "update",
      row: {
        ...liveColumns(this.#state, ended, false),
        ...columns,
        phase: "over",
        live: false,
        active: false,
        owesRelease: owed,
      },
    });
    const { issueId } = run;
    // A mere waiter never stood on the issue's row: its row here would take the place of the holder's.
    if (run.holdsIssue && issueId !== null)
      this.row({ table: "issues", op: "update", row: { id: issueId, endedRunId: run.id } });
    if (owed && issueId !== null) this.release(issueId, run.id, "run", run.id);
  }
  /** Passes the lock of an issue on; the row that owes it (`owner`) says so until the KV has it. */
  release(
    issueId: string,
    runId: string,
    owner: "run" | "wake",
    ownerId: string,
    notAfter: Position | null = null,
  ): void {
    const { companyId } = this.delivery;
    this.effect({ kind: "release", companyId, issueId, runId, owner, ownerId, notAfter });
  }

  addWait(wait: WaitState): void {
    this.#state = { ...this.#state, waits: [...this.#state.waits, wait] };
  }
  changeWait(requestId: string, changes: Partial<WaitState>): void {
    const waits = this.#state.waits.map((wait) =>
      wait.requestId === requestId ? { ...wait, ...changes } : wait,
    );
    this.#state = { ...this.#state, waits };
  }
  removeWait(requestId: string): void {
    const waits = this.#state.waits.filter((wait) => wait.requestId !== requestId);
    this.#state = { ...this.#state, waits };
  }
  changeAgent(changes: Partial<AgentState["agent"]>): void {
    this.#state = { ...this.#state, agent: { ...this.#state.agent, ...changes } };
  }
  changeState(changes: Partial<Pick<AgentState, "policy" | "sessionId" | "taskSessions">>): void {
    this.#state = { ...this.#state, ...changes };
  }

  /** The queue was looked at, and the company's gate was closed. */
  meetClosedGate(): void {
    this.#gateMet = true;
  }

  done(verdict: Verdict | null = null, outcome: Outcome = "applied"): Decided {
    for (const run of this.#state.runs) this.#writeRun(run);
    this.#settleRetryTimer();
    return {
      kind: "decided",
      state: this.#state,
      rows: this.#rows,
      effects: this.#effects,
      verdict,
      outcome,
    };
  }

  /** The agent's row says when the earliest of its delayed runs is due, and the heap of timers follows. */
  #settleRetryTimer(): void {
    const { agent, runs } = this.#state;
    let earliest: number | null = null;
    for (const run of runs)
      if (isDelayed(run)) earliest = Math.min(run.notBeforeMs!, earliest ?? Infinity);
    const lookAgainAtMs = this.#lookAgainAtMs();
    if (lookAgainAtMs !== null) earliest = Math.min(lookAgainAtMs, earliest ?? Infinity);
    if (earliest === agent.nextRetryAtMs) return;
    this.changeAgent({ nextRetryAtMs: earliest });
    const nextRetryAt = earliest === null ? null : isoTime(earliest);
    const { id: agentId, companyId } = agent;
    const row = { id: agentId, nextRetryAt, retryChanged: true };
    this.row({ table: "agents", op: "update", row });
    this.effect({ kind: "set-timer", timer: "retry", companyId, agentId, dueAtMs: earliest });
  }
  /**
   * A queue that waits for its company looks again by itself: whoever opens the gate tells the agent, and
   * that word can be lost with him. What was set stays until its timer comes, or nothing waits any more.
   */
  #lookAgainAtMs(): number | null {
    const { agent, runs } = this.#state;
    if (!runs.some((run) => run.phase === "queued" && !isDelayed(run))) return null;
    const { message, atMs } = this.delivery;
    const isIts = message.kind === "timer" && message.body.timer === "retry";
    const set = isIts ? null : agent.nextRetryAtMs;
    return set ?? (this.#gateMet ? atMs + closedGateMs : null);
  }
  #writeRun(run: RunState): void {
    const touched = this.#touched.get(run.id);
    if (!touched) return;
    this.#touched.delete(run.id);
    const row = touched.isNew
      ? newRow(this.#state, run)
      : liveColumns(this.#state, run, touched.contextChanged);
    const op = touched.isNew ? "insert" : "update";
    this.row({ table: "runs", op, row: { ...row, ...touched.columns } });
  }
}

/** A minute: cheap for a company that stays closed for months, short for one that was opened. */
const closedGateMs = 60_000;

/** What is to be written of a run when the decision is done. */
interface Touched {
  isNew: boolean;
  contextChanged: boolean;
  columns: { owesRelease?: boolean };
}

/** A run that holds its issue owes its release, and so does one that stands among the waiters. */
const owesRelease = (run: RunState): boolean =>
  run.issueId !== null && (run.holdsIssue || run.phase === "waiting");
