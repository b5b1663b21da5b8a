/**
 * Why an agent's program failed, in families that are the same for all programs: each has its code, and
 * says whether trying again may help. Pure.
 */
import type { RunResult } from "@reveille/shared/protocol/execution";

/**
 * `auth_required`: nobody is signed in, or the key is refused. `quota_exhausted`: an allowance or the
 * credit is used up. `rate_limited`: too many requests just now. `upstream_unavailable`: the model's service
 * does not answer or has an error. `stream_broken`: its answer could not be read. `incomplete`: the program
 * ended without a result. `other`: none of these; its code is `adapter_failed`.
 */
export type FailureFamily =
  | "auth_required"
  | "quota_exhausted"
  | "rate_limited"
  | "upstream_unavailable"
  | "stream_broken"
  | "model_unavailable"
  | "request_refused"
  | "max_turns"
  | "max_budget"
  | "output_limit"
  | "session_unknown"
  | "interrupted"
  | "incomplete"
  | "other";

export interface Failure {
  family: FailureFamily;
  message: string;
  /** Unix ms; null: the program does not say. */
  retryNotBeforeMs: number | null;
}

export const failureOf = (
  family: FailureFamily,
  message: string,
  retryNotBeforeMs: number | null = null,
): Failure => ({ family, message, retryNotBeforeMs });

const passing: ReadonlySet<FailureFamily> = new Set([
  "rate_limited",
  "upstream_unavailable",
  "stream_broken",
]);
/** What `errorMessage` may hold. */
const messageMax = 16_384;

/** Fields of the result; `program`: the first part of its codes (`claude_auth_required`). */
export function failureFields(program: string, failure: Failure): Partial<RunResult> {
  const { family, message, retryNotBeforeMs } = failure;
  // An allowance comes back when the program says so; credit that is used up does not by itself.
  const transient =
    passing.has(family) || (family === "quota_exhausted" && retryNotBeforeMs !== null);
  return {
    errorMessage: message.slice(0, messageMax),
    errorCode: family === "other" ? "adapter_failed" : `${program}_${family}`,
    ...(transient ? { transient: true } : {}),
    ...(retryNotBeforeMs === null
      ? {}
      : { retryNotBefore: new Date(retryNotBeforeMs).toISOString() }),
  };
}
