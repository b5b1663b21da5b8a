/** What a run's result means: its status, its error and what of it is kept. */
import type { RunResult } from "@reveille/shared/protocol/execution";
import type { Json } from "./state.js";

export type TerminalStatus = "succeeded" | "failed" | "cancelled" | "timed_out";

export interface Ending {
  status: TerminalStatus;
  error: string | null;
  errorCode: string | null;
}

/** The exit code decides, whatever the program says of itself; a death by signal is never a success. */
export function outcomeOf(result: RunResult, cancel: { reason: string } | null): Ending {
  if (cancel) return { status: "cancelled", error: cancel.reason, errorCode: "cancelled" };
  if (result.timedOut)
    return { status: "timed_out", error: result.errorMessage ?? "Timed out", errorCode: "timeout" };
  if ((result.exitCode ?? 0) === 0 && result.signal === null && !result.errorMessage)
    return { status: "succeeded", error: null, errorCode: null };
  const killed = result.signal === null ? null : `Process was killed by ${result.signal}`;
  return {
    status: "failed",
    error: result.errorMessage ?? killed ?? "Adapter failed",
    errorCode: result.errorCode ?? "adapter_failed",
  };
}

/** How the wake's row ends with its run. */
export const wakeStatusOf = (status: TerminalStatus): string =>
  status === "succeeded" ? "completed" : status;

/** `usage_json`: tokens, with cost and billing when they are known; null when nothing was reported. */
export function usageJson(result: RunResult): Json | null {
  if (!result.usage && typeof result.costUsd !== "number") return null;
  return {
    ...result.usage,
    ...(typeof result.costUsd === "number" ? { costUsd: result.costUsd } : {}),
    ...(result.billingType ? { billingType: result.billingType } : {}),
  };
}

/** Micro-dollars, exact to what the adapter said; cents are these, rounded. */
export const costMicrosOf = (result: RunResult): number =>
  Math.max(0, Math.round((result.costUsd ?? 0) * 1_000_000));

/** The agent-wide session after a run: cleared, replaced, or kept. */
export function sessionAfter(result: RunResult, previous: string | null): string | null {
  if (result.clearSession) return null;
  const fromParams = result.sessionParams?.["sessionId"];
  return (
    result.sessionId ??
    (typeof fromParams === "string" ? fromParams : null) ??
    result.sessionDisplayId ??
    previous
  );
}
