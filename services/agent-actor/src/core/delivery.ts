/** What `decide` is given beside the state: one message with its place and time, and what the shell read for it. */
import type {
  AgentCommand,
  Cancel,
  Configure,
  Cost,
  Expired,
  Grant,
  ResetSession,
  TimerDue,
} from "@reveille/shared/protocol/commands";
import type {
  RunFinished,
  RunLost,
  RunProgress,
  RunReported,
  RunStarted,
} from "@reveille/shared/protocol/execution";
import type { Encoding } from "@reveille/shared/protocol/codec";
import type { Session } from "@reveille/shared/protocol/session";
import type { Verdict, WakeRequest } from "@reveille/shared/protocol/wake";
import type { Json } from "./state.js";

export type MailboxMessage =
  | { kind: "wake"; body: WakeRequest }
  | { kind: "cancel"; body: Cancel }
  | { kind: AgentCommandKind; body: AgentCommand }
  | { kind: "reset-session"; body: ResetSession }
  | { kind: "cost"; body: Cost }
  | { kind: "configure"; body: Configure }
  | { kind: "timer"; body: TimerDue }
  | { kind: "grant"; body: Grant }
  | { kind: "run.started"; body: RunStarted }
  | { kind: "run.progress"; body: RunProgress }
  | { kind: "run.finished"; body: RunFinished }
  | { kind: "run.lost"; body: RunLost }
  | { kind: "run.reported"; body: RunReported }
  | { kind: "expired"; body: Expired };

export const agentCommandKinds = [
  "pause",
  "resume",
  "terminate",
  "delete",
  "approve",
  "cancel-all",
  "admit",
] as const;
export type AgentCommandKind = (typeof agentCommandKinds)[number];

export interface Delivery {
  message: MailboxMessage;
  companyId: string;
  agentId: string;
  partition: number;
  generation: number;
  sequence: number;
  /** Stream time. Time is never anything else in `core/`. */
  atMs: number;
  /** For messages without an id of their own: unique in all generations. */
  idSeed: string;
  /** The trace that it belongs to (W3C); null: none. Passed on, and nothing is decided by it. */
  traceparent: string | null;
  /** Where a verdict is wanted, and how it is to be written. */
  replyTo: string | null;
  encoding: Encoding;
}

/** `held`: this run is the holder. `waiting`: it stands in the queue of waiters. `full`: it could not queue. */
export type LockOutcome = "held" | "waiting" | "full";

/** What the shell is to ask of an issue's lock before deciding again. */
export interface LockRequest {
  issueId: string;
  runId: string;
  requestId: string;
  requestedAtMs: number;
}

export interface IssueFacts {
  id: string;
  companyId: string;
  projectId: string | null;
}

/** The agent's company as it was within the last second or so: what bounds are soft by. */
export interface CompanyFacts {
  /** `active`, or a gate: `paused`, `archived`. */
  status: string;
  liveRuns: number;
  /** 0: no limit. */
  budgetMonthlyCents: number;
  /** What all its agents spent this month, in micro-dollars; counted only when there is a limit. */
  spentMicros: number;
}

/** What was read for one message, once per batch, and handed in as values. */
export interface Inputs {
  /** By run id: the outcome of a lock request that an earlier pass asked for. */
  locks: ReadonlyMap<string, LockOutcome>;
  /** By issue id; absent: no such issue. */
  issues: ReadonlyMap<string, IssueFacts>;
  company: CompanyFacts;
  /** The session of the wake's task, when the state does not know it; null: it has none. */
  taskSession: Session | null;
  /** This cost was recorded before. */
  costKnown: boolean;
  /** The stored verdict of this very wake id. */
  earlier: Verdict | null;
  /** The first wake with the same idempotency key: its verdict, and its run as it is now. */
  keyOwner: { verdict: Verdict; run: Json | null } | null;
}
