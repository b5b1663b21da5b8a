/**
 * Why a run of codex failed. The program gives no kinds and no statuses of their own: its sentence is all
 * there is, so it is read by what the sentences of version 0.169.0 say. Pure.
 */
import { failureOf } from "../agent-program/failure.js";
import type { Failure, FailureFamily } from "../agent-program/failure.js";
import { resetTime } from "../agent-program/reset-time.js";
import type { StreamEnd } from "../agent-program/stream.js";

/** In this order: a broken stream names the status of its request, a limit names a page to pay on. */
const byWords: readonly (readonly [RegExp, FailureFamily])[] = [
  [/no rollout found|no (conversation|thread|session) found/i, "session_unknown"],
  [/hit your usage limit|quota exceeded|insufficient_quota|out of credits/i, "quota_exhausted"],
  [
    /\b(401|403) (unauthorized|forbidden)|not logged in|missing environment variable|please (log|sign) in|api key/i,
    "auth_required",
  ],
  [/\b429\b|too many requests|rate limit/i, "rate_limited"],
  [
    /idle timeout waiting|stream (closed|disconnected) before.*(stream closed|idle timeout|parse|decod)/i,
    "stream_broken",
  ],
  [
    /high demand|\b5\d\d (internal|bad gateway|service|gateway)|overloaded|connection failed|waiting for network|error sending request/i,
    "upstream_unavailable",
  ],
  [/stream disconnected/i, "stream_broken"],
  [/model .{0,200}(does not exist|not found|not supported)|\b404 not found/i, "model_unavailable"],
  [/\b400 bad request|invalid_request/i, "request_refused"],
];

/** @param message what it said last, or how its process ended. */
export function codexFailure(message: string, { nowMs, timeZone }: StreamEnd): Failure {
  const family = byWords.find(([pattern]) => pattern.test(message))?.[1] ?? "other";
  const resetsAtMs = family === "quota_exhausted" ? resetTime(message, nowMs, timeZone) : null;
  return failureOf(family, message, resetsAtMs);
}
