/**
 * The state of one agent as its actor holds it: who it is, its live runs in the order of its mailbox,
 * and its wakes that wait for an issue. What is over is in Postgres alone.
 */
import type { RunReported, UsageSoFar } from "@reveille/shared/protocol/execution";
import type { Session } from "@reveille/shared/protocol/session";
import type { WakeSource } from "@reveille/shared/protocol/wake";
import type { Policy } from "./policy.js";

export type Json = Record<string, unknown>;

export const agentStatuses = [
  "active",
  "paused",
  "idle",
  "running",
  "error",
  "pending_approval",
  "terminated",
] as const;
export type AgentStatus = (typeof agentStatuses)[number];

export interface AgentFacts {
  id: string;
  companyId: string;
  name: string;
  status: AgentStatus;
  adapterType: string;
  adapterConfig: Json;
  runtimeConfig: Json;
  partition: number;
  lastHeartbeatAtMs: number | null;
  /** When its interval timer is due next; null: no timer. */
  nextTimerAtMs: number | null;
  /** When the earliest of its delayed runs may be admitted; null: none is delayed. */
  nextRetryAtMs: number | null;
  /** 0: no limit. */
  budgetMonthlyCents: number;
  /** What it spent in `month` (UTC, `YYYY-MM`), in micro-dollars; another month counts from 0. */
  spend: { month: string | null; micros: number };
  /** Why it is paused. */
  pauseReason: string | null;
  /** Equal failures in a row. */
  failure: { code: string; count: number } | null;
  /** Asked for; it is deleted when its last process is dead. */
  deleteRequestedAtMs: number | null;
  /** It is gone, and so is its state after this decision. */
  deletedAtMs: number | null;
}

/** What is known of a live run before its end. */
export interface Reported {
  /** Used by attempts that were lost, in sum. */
  carried: UsageSoFar | null;
  /** Used by the current attempt, as last reported. */
  current: UsageSoFar | null;
  /** What the agent itself said with the run's token, but for tokens and cost: those are in `current`. */
  patch: RunReported["patch"];
  /** The type that the current attempt was sent with, when the agent's was changed since. */
  adapterType?: string;
}

/** The place of a message in the stream: the order in which wakes stand. */
export interface Position {
  generation: number;
  sequence: number;
}

/**
 * Where a live run is. `queued`: has no slot. `waiting`: gave its slot back, waits at its issue's lock.
 * `dispatched`: has a slot (and its issue), no go yet. `running`: a claim has its go. `cancelling`: as
 * running, and its end was asked for; slot and issue are kept until its process tree is dead.
 */
export type RunPhase = "queued" | "waiting" | "dispatched" | "running" | "cancelling";

export interface Claim {
  claimId: string;
  incarnation: string;
  runnerId: string;
  /** Where the claim's secrets are sealed to; null: it names none. */
  sealKey: string | null;
}

export interface RunState {
  id: string;
  /** The row of the wake that led to it. */
  wakeRequestId: string;
  /** The publisher's id of that wake. */
  wakeId: string;
  phase: RunPhase;
  source: WakeSource;
  triggerDetail: string | null;
  context: Json;
  issueId: string | null;
  taskKey: string | null;
  pool: string;
  /** 0 before the first dispatch. */
  attempt: number;
  /** Attempts that were lost. */
  losses: number;
  claim: Claim | null;
  holdsIssue: boolean;
  cancel: { reason: string; atMs: number } | null;
  /** The stream time of its wake (of its promotion, when it was deferred). */
  createdAtMs: number;
  updatedAtMs: number;
  dispatchedAtMs: number | null;
  /** The first go. */
  startedAtMs: number | null;
  position: Position;
  lastEventSeq: number;
  progressSeen: number;
  sessionIdBefore: string | null;
  retryOfRunId: string | null;
  /** Retries before it in its chain. */
  retryNumber: number;
  /** Not admitted before this moment; null: it has come, or there was none. */
  notBeforeMs: number | null;
  reported: Reported | null;
  /** The agent said its final word: its runner is told until the run ends. */
  finishRequested: boolean;
  /** The trace of its wake. */
  traceparent: string | null;
}

/** A wake that was deferred because another agent held its issue. */
export interface WaitState {
  requestId: string;
  wakeId: string;
  /** The id that its run will have. */
  runId: string;
  issueId: string;
  source: WakeSource;
  triggerDetail: string | null;
  reason: string | null;
  context: Json;
  taskKey: string | null;
  requestedAtMs: number;
  position: Position;
  coalescedCount: number;
  /** Its trace, and its run's. */
  traceparent: string | null;
}

export interface AgentState {
  agent: AgentFacts;
  policy: Policy;
  /** In the order of their wakes. */
  runs: readonly RunState[];
  waits: readonly WaitState[];
  /** The agent-wide session. */
  sessionId: string | null;
  /**
   * Sessions of tasks by `sessionKey`; null: known to have none. At least those of its live runs and
   * waiting wakes; the actor is their only writer, so what stands here is what Postgres has.
   */
  taskSessions: ReadonlyMap<string, Session | null>;
}

/** A session belongs to a task under one adapter type. */
export const sessionKey = (adapterType: string, taskKey: string): string =>
  `${adapterType} ${taskKey}`;

/** A run with one of these phases takes one of the agent's slots. */
export const hasSlot = (run: RunState): boolean =>
  run.phase === "dispatched" || run.phase === "running" || run.phase === "cancelling";
/** A process may live behind it. */
export const isRunning = (run: RunState): boolean =>
  run.phase === "running" || run.phase === "cancelling";
/** The status as the row and the API show it. */
export const statusOf = (run: RunState): "queued" | "running" =>
  run.startedAtMs === null ? "queued" : "running";

export const freeSlots = (state: AgentState): number =>
  Math.max(0, state.policy.maxConcurrentRuns - state.runs.filter(hasSlot).length);

/** Runs that have no slot: what `maxQueuedRuns` bounds. */
export const queuedCount = (state: AgentState): number =>
  state.runs.filter((run) => !hasSlot(run)).length;

/** Is this a queued run whose time has not come? It has when its timer's message says so, and not before. */
export const isDelayed = (run: RunState): boolean =>
  run.phase === "queued" && run.notBeforeMs !== null;

/** May it be woken at all? */
export const isInvokable = (status: AgentStatus): boolean =>
  status === "active" || status === "idle" || status === "running" || status === "error";
