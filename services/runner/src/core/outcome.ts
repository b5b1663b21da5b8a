/**
 * From the end of a process to the result that is reported. Whether the run counts as cancelled is
 * the actor's to decide; here only what happened is put into words. Pure.
 */
import type { RunResult } from "@reveille/shared/protocol/execution";
import type { Stop } from "./stop.js";

export interface ProcessEnd {
  exitCode: number | null;
  signal: string | null;
  /** It never came to life: why, complete and for people. */
  startError: string | null;
}

/** What the adapter `process` answers; `output` is asked for only when it is part of the result. */
export function processResult(
  end: ProcessEnd,
  stop: Stop | null,
  timeoutSec: number,
  output: () => { stdout: string; stderr: string },
): RunResult {
  if (end.startError !== null) return failedResult(end.startError);
  const { exitCode, signal } = end;
  if (stop?.kind === "timeout")
    return {
      exitCode,
      signal,
      timedOut: true,
      errorMessage: `Timed out after ${timeoutSec}s`,
      errorCode: "timeout",
    };
  const result = { exitCode, signal, timedOut: false, resultJson: output() };
  if (signal !== null) return { ...result, errorMessage: `Process was killed by ${signal}` };
  if (exitCode !== 0) return { ...result, errorMessage: `Process exited with code ${exitCode}` };
  return result;
}

/** A run that failed before anything was started. */
export const failedResult = (errorMessage: string, errorCode = "adapter_failed"): RunResult => ({
  exitCode: null,
  signal: null,
  timedOut: false,
  errorMessage: errorMessage.slice(0, 16_384),
  errorCode,
});

/** A run that was cancelled between its go and its start. */
export const cancelledBeforeStart: RunResult = {
  exitCode: null,
  signal: null,
  timedOut: false,
  errorMessage: "Cancelled before its process was started",
  errorCode: "cancelled",
};
