/**
 * What a run's result means: its status, its error text and its code. Knows no rows. The exit code
 * decides, whatever the program says of itself; a death by signal is never a success.
 */
import type { RunResult } from "@reveille/shared/protocol/execution";

export type TerminalStatus = "succeeded" | "failed" | "cancelled" | "timed_out";

export interface Ending {
  status: TerminalStatus;
  error: string | null;
  errorCode: string | null;
}

/** What a result comes to. A cancel that was asked for stands above everything that the process said. */
export function outcomeOf(result: RunResult, cancel: { reason: string } | null): Ending {
  if (cancel) return cancelledBy(cancel.reason);
  if (result.timedOut)
    return {
      status: "timed_out",
      error: result.errorMessage ?? "Timed out",
      errorCode: result.errorCode ?? "timeout",
    };
  if ((result.exitCode ?? 0) === 0 && result.signal === null && !result.errorMessage)
    return { status: "succeeded", error: null, errorCode: null };
  const killed = result.signal === null ? null : `Process was killed by ${result.signal}`;
  return {
    status: "failed",
    error: result.errorMessage ?? killed ?? "Adapter failed",
    errorCode: result.errorCode ?? "adapter_failed",
  };
}

/** Why a budget ends a run: also the error text that people read. */
export const budgetReasons = {
  agent: "Budget exceeded: the agent has spent its monthly limit",
  company: "Budget exceeded: the company has spent its monthly limit",
} as const;
const budgetTexts: ReadonlySet<string> = new Set(Object.values(budgetReasons));

/** The end of a run that was asked to end. Its reason is all that is kept of the asking, so the code follows from it. */
export const cancelledBy = (reason: string): Ending => ({
  status: "cancelled",
  error: reason,
  errorCode: budgetTexts.has(reason) ? "budget_exceeded" : "cancelled",
});

/** How the wake's row ends with its run. */
export const wakeStatusOf = (status: TerminalStatus): string =>
  status === "succeeded" ? "completed" : status;
