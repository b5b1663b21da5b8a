/**
 * Why a run of claude failed, from its result and from what it said before. The kind that it gives its
 * own error and the status of the service come first; its words only where those say nothing. Pure.
 */
import { failureOf } from "../agent-program/failure.js";
import type { Failure, FailureFamily } from "../agent-program/failure.js";
import { countOf, listOf, textOf } from "../agent-program/fields.js";
import type { Fields } from "../agent-program/fields.js";
import { resetTime } from "../agent-program/reset-time.js";
import type { StreamEnd } from "../agent-program/stream.js";

/** What was seen before the end. */
export interface ClaudeEvidence {
  /** The kind that the program gave its last error. */
  kind: string | null;
  status: number | null;
  /** An allowance is used up until then; Unix ms. */
  resetsAtMs: number | null;
  /** The last failed request that was tried again. */
  retried?: { kind: string | null; status: number | null };
}

const bySubtype: Readonly<Record<string, FailureFamily>> = {
  error_max_turns: "max_turns",
  error_max_budget_usd: "max_budget",
};
const byKind: Readonly<Record<string, FailureFamily>> = {
  authentication_failed: "auth_required",
  oauth_org_not_allowed: "auth_required",
  billing_error: "quota_exhausted",
  rate_limit: "rate_limited",
  server_error: "upstream_unavailable",
  overloaded: "upstream_unavailable",
  model_not_found: "model_unavailable",
  invalid_request: "request_refused",
  max_output_tokens: "output_limit",
};
/** In this order. */
const byWords: readonly (readonly [RegExp, FailureFamily])[] = [
  [/no conversation found with session id|--resume requires a valid session/i, "session_unknown"],
  [/not logged in|please run \/login|invalid api key|failed to authenticate/i, "auth_required"],
  [/credit balance is too low/i, "quota_exhausted"],
  [/hit your .{0,40}limit|usage limit reached/i, "quota_exhausted"],
  [/json parse error|could not parse message/i, "stream_broken"],
  [
    /econnrefused|econnreset|enotfound|etimedout|connection (refused|dropped|error)/i,
    "upstream_unavailable",
  ],
];

/** Null: there is no sign of a failure in what it printed. */
export function claudeFailure(
  result: Fields | null,
  evidence: ClaudeEvidence,
  { stderr, exitCode, nowMs, timeZone }: StreamEnd,
): Failure | null {
  if (result === null) return unexplained(evidence, stderr, exitCode);
  if (result["is_error"] !== true) return null;
  const errors = listOf(result["errors"]).filter((one): one is string => typeof one === "string");
  const message =
    textOf(result["result"]) ?? textOf(errors.join("; ")) ?? "claude reported an error";
  const family = familyOf(result, evidence, message);
  const spent = family === "rate_limited" && isAllowance(result, evidence, message);
  if (!spent && family !== "quota_exhausted") return failureOf(family, message);
  const retryAtMs = evidence.resetsAtMs ?? resetTime(message, nowMs, timeZone);
  return failureOf("quota_exhausted", message, retryAtMs);
}

/** A used-up allowance is no passing rush: the service says "too many requests" to both. */
const isAllowance = (result: Fields, { resetsAtMs }: ClaudeEvidence, message: string): boolean =>
  resetsAtMs !== null ||
  result["api_error"] === "usage_limit_reached" ||
  familyByWords(message) === "quota_exhausted";

function familyOf(result: Fields, evidence: ClaudeEvidence, message: string): FailureFamily {
  const subtype = textOf(result["subtype"]) ?? "";
  if (Object.hasOwn(bySubtype, subtype)) return bySubtype[subtype]!;
  const kind = evidence.kind ?? "";
  if (Object.hasOwn(byKind, kind)) return byKind[kind]!;
  const said = familyByWords(message);
  if (said) return said;
  if (textOf(result["terminal_reason"])?.startsWith("aborted")) return "interrupted";
  return familyByStatus(countOf(result["api_error_status"])) ?? "other";
}

const familyByWords = (text: string): FailureFamily | null =>
  byWords.find(([pattern]) => pattern.test(text))?.[1] ?? null;

function familyByStatus(status: number): FailureFamily | null {
  if (status === 401 || status === 403) return "auth_required";
  if (status === 402) return "quota_exhausted";
  if (status === 404) return "model_unavailable";
  if (status === 429) return "rate_limited";
  if (status >= 500) return "upstream_unavailable";
  return status >= 400 ? "request_refused" : null;
}

/** It ended without a result: what it said on standard error, else why it was still trying. */
function unexplained(
  { retried }: ClaudeEvidence,
  stderr: string,
  exitCode: number | null,
): Failure | null {
  if (exitCode === 0) return null;
  const said = familyByWords(stderr);
  if (said) return failureOf(said, stderr.trim().split("\n").at(-1) ?? stderr);
  if (!retried) return null;
  const kind = retried.kind ?? "";
  const family = Object.hasOwn(byKind, kind) ? byKind[kind]! : familyByStatus(retried.status ?? 0);
  const about = retried.status ?? retried.kind ?? "no answer";
  return family && failureOf(family, `claude ended while it tried again (${about})`);
}
