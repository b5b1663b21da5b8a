// Owns the names under which the books read rows of the simulated store: columns as in Postgres, times in milliseconds.
import type * as schema from "@reveille/shared/postgres/schema";
import type { StoredRow } from "../store/columns.js";

export type RunRow = StoredRow<typeof schema.heartbeatRuns>;
export type WakeRow = StoredRow<typeof schema.agentWakeupRequests>;
export type AgentRow = StoredRow<typeof schema.agents>;
export type PartitionRow = StoredRow<typeof schema.partitions>;

export const overStatuses: ReadonlySet<string> = new Set([
  "succeeded",
  "failed",
  "cancelled",
  "timed_out",
]);
export const isOver = (status: string): boolean => overStatuses.has(status);

/** A wake's row that nothing changes any more. */
export const closedWakeStatuses: ReadonlySet<string> = new Set([
  "completed",
  "failed",
  "cancelled",
  "timed_out",
  "coalesced",
  "skipped",
]);

const slotPhases: ReadonlySet<string> = new Set(["dispatched", "running", "cancelling"]);
/** It counts for its agent's `maxConcurrentRuns`. */
export const hasSlot = ({ phase }: Pick<RunRow, "phase">): boolean => slotPhases.has(phase);
/** A claim has its go. */
export const isAtWork = ({ phase }: Pick<RunRow, "phase">): boolean =>
  phase === "running" || phase === "cancelling";
