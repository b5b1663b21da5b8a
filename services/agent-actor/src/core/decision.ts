/**
 * What a decision is made of: the new state, rows to write with it in the same transaction, effects to
 * perform after the commit, and a verdict. All plain data. Every effect is harmless to repeat; each
 * says why.
 */
import type { AnswerKind, Execution } from "@reveille/shared/protocol/execution";
import type { EventType } from "@reveille/shared/protocol/events";
import type { Encoding } from "@reveille/shared/protocol/codec";
import type { Verdict } from "@reveille/shared/protocol/wake";
import type { LockRequest } from "./delivery.js";
import type { AgentState, Json, Position } from "./state.js";

/** One row to insert, or changes to one row; keys are the JSON names of the columns. */
export type Row =
  | { table: "wakes" | "runs"; op: "insert" | "update"; row: Json & { id: string } }
  | { table: "runEnds"; op: "update"; row: Json & { id: string } }
  | { table: "events" | "verdicts" | "costs"; op: "insert"; row: Json }
  | { table: "agents"; op: "update"; row: Json & { id: string } }
  | { table: "runtimeStates"; op: "upsert"; row: Json & { agentId: string } }
  | { table: "taskSessions"; op: "upsert" | "delete"; row: TaskSessionRow }
  /** Every task session that the agent has. */
  | { table: "agentSessions"; op: "delete"; row: { agentId: string; companyId: string } }
  | { table: "issues"; op: "update"; row: Json & { id: string } };

export type TaskSessionRow = Json & {
  agentId: string;
  companyId: string;
  adapterType: string;
  taskKey: string;
};

export type Effect =
  /** Repeatable: its subject admits one stored copy per (run, attempt), and the go is given once per claim. */
  | { kind: "dispatch"; pool: string; execution: Execution; traceparent: string | null }
  /** Repeatable: purging what is gone is nothing. */
  | { kind: "withdraw"; pool: string; companyId: string; runId: string; attempt: number }
  /** Repeatable: a runner that already kills goes on killing; one that was told to finish knows it. */
  | {
      kind: "control";
      order: "cancel" | "finish";
      companyId: string;
      runId: string;
      attempt: number;
      claimId: string;
      reason: string;
    }
  /** Repeatable: the runner takes the first answer to a report. */
  | {
      kind: "answer";
      incarnation: string;
      report: "started" | "progress" | "finished" | "lost";
      answer: AnswerKind;
      runId: string;
      attempt: number;
      claimId: string;
      reason?: string;
      /** With a go: for whom the run's token is made when the answer is sent. */
      token?: { companyId: string; agentId: string; adapterType: string };
    }
  /** Repeatable: whoever asked takes the first verdict. */
  | { kind: "reply"; subject: string; encoding: Encoding; verdict: Verdict }
  /** Told, not kept: a repeated frame shows the same state again. */
  | { kind: "announce"; type: EventType; companyId: string; atMs: number; payload: Json }
  /** Repeatable: a compare-and-set by run id; only the holder is replaced. `owner` is the row that owes it. */
  | {
      kind: "release";
      companyId: string;
      issueId: string;
      runId: string;
      owner: "run" | "wake";
      ownerId: string;
      /** The message that let go: what the run takes by a later one stays. Null: it is over. */
      notAfter: Position | null;
    }
  /** Repeatable: a grant of what is decided already changes nothing. */
  | {
      kind: "grant";
      companyId: string;
      agentId: string;
      issueId: string;
      runId: string;
      wakeId: string;
    }
  /** The heap of timers follows the row. */
  | {
      kind: "set-timer";
      companyId: string;
      agentId: string;
      timer: "heartbeat" | "retry";
      dueAtMs: number | null;
    };

export type Outcome = "applied" | "duplicate" | "stale" | "ignored";

export interface Decided {
  kind: "decided";
  state: AgentState;
  rows: readonly Row[];
  effects: readonly Effect[];
  /** For wakes; null for everything else. */
  verdict: Verdict | null;
  outcome: Outcome;
}
/** The decision needs locks that only the shell can ask for; ask, then decide again. */
export interface Needs {
  kind: "needs";
  locks: readonly LockRequest[];
}
export type Decision = Decided | Needs;
