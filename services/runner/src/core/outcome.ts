/**
 * From the end of a process to the result that is reported. Whether the run counts as cancelled is
 * the actor's to decide; here only what happened is put into words. Pure.
 */
import type { RunResult } from "@reveille/shared/protocol/execution";
import type { ProcessEnd } from "../adapter.js";
import type { Reported } from "./reported-result.js";
import type { Stop } from "./stop.js";

/** What the end of a process means; null: its output is no part of the result. */
export function processResult(
  end: ProcessEnd,
  output: (() => { stdout: string; stderr: string }) | null,
): RunResult {
  if (end.startError !== null) return failedResult(end.startError);
  const { exitCode, signal } = end;
  const result = { exitCode, signal, timedOut: false, ...(output ? { resultJson: output() } : {}) };
  if (signal !== null) return { ...result, errorMessage: `Process was killed by ${signal}` };
  if (exitCode !== 0) return { ...result, errorMessage: `Process exited with code ${exitCode}` };
  return result;
}

/**
 * A process's end with what it said itself. How it ended is not for it to say: a code other than 0 is a
 * failure whatever it reports, and a signal keeps its own words, because it may have come after them.
 */
export function withReported(result: RunResult, reported: Reported): RunResult {
  if (result.threw) return result;
  const { errorMessage, errorCode, ...rest } = reported;
  const merged = { ...result, ...rest };
  if (result.signal !== null) return merged;
  return {
    ...merged,
    ...(errorMessage ? { errorMessage } : {}),
    ...(errorCode && (errorMessage ?? result.errorMessage) ? { errorCode } : {}),
  };
}

/** The result of what was ended by a limit: whatever it says of itself, the limit is the reason. */
export function stoppedResult(result: RunResult, stop: Stop | null): RunResult {
  if (stop === null || result.threw || (stop.kind !== "timeout" && stop.kind !== "idle"))
    return result;
  const why =
    stop.kind === "timeout"
      ? { errorMessage: `Timed out after ${stop.sec}s`, errorCode: "timeout" }
      : { errorMessage: `No output for ${stop.sec}s`, errorCode: "idle_timeout" };
  return { ...result, timedOut: true, ...why };
}

/** A run that failed before anything was started. */
export const failedResult = (errorMessage: string, errorCode = "adapter_failed"): RunResult => ({
  exitCode: null,
  signal: null,
  timedOut: false,
  errorMessage: errorMessage.slice(0, 16_384),
  errorCode,
  threw: true,
});

/** A run that was cancelled between its go and its start. */
export const cancelledBeforeStart: RunResult = {
  exitCode: null,
  signal: null,
  timedOut: false,
  errorMessage: "Cancelled before its process was started",
  errorCode: "cancelled",
};
