/**
 * The result of a run as it is judged and kept: what the agent itself reported on the way is merged in
 * where the adapter said nothing, and nothing that is stored is longer than its bound. Decides no outcome.
 */
import type { RunReported, RunResult } from "@reveille/shared/protocol/execution";
import { headOf } from "@reveille/shared/protocol/text";
import type { Json } from "./state.js";

type Patch = RunReported["patch"];

/** 64 KiB: results and events are summaries that lists show; what a program prints is in its log. */
const jsonBytesMax = 64 * 1024;
/** Characters left of a text in JSON that is too large: a screenful. */
const textMax = 4_096;
/** Characters left of JSON that is too large even so; as UTF-8, at most three bytes each, they fit. */
const excerptMax = 16_384;

/** A later report replaces the fields that it names. Tokens and cost are kept elsewhere: they are sums. */
export function mergePatches(earlier: Patch, later: Patch): Patch {
  const { usage: _usage, costUsd: _costUsd, ...said } = later;
  const named = Object.entries(said).filter(([, value]) => value !== undefined);
  const merged = { ...earlier, ...Object.fromEntries(named) };
  return merged.resultJson ? { ...merged, resultJson: boundJson(merged.resultJson) } : merged;
}

/** The adapter's result, filled with what was reported. A reported error fails a run that its adapter holds for good. */
export function mergeReported(result: RunResult, patch: Patch): RunResult {
  const failure = patch.errorCode ? "The agent reported a failure" : null;
  return {
    ...result,
    errorMessage: result.errorMessage ?? patch.errorMessage ?? failure,
    errorCode: result.errorCode ?? patch.errorCode,
    provider: result.provider ?? patch.provider,
    model: result.model ?? patch.model,
    billingType: result.billingType ?? patch.billingType,
    resultJson: bothOf(patch.resultJson, result.resultJson),
    summary: result.summary ?? patch.summary,
    ...(saysSession(result) ? {} : sessionFieldsOf(patch)),
  };
}

/** What the agent itself said, and what its adapter saw; the adapter has the last word on a name that both have. */
const bothOf = (said: Json | null | undefined, seen: Json | null | undefined): Json | null =>
  said && seen ? { ...said, ...seen } : (seen ?? said ?? null);

type SessionFields = Pick<
  Patch,
  "sessionId" | "sessionParams" | "sessionDisplayId" | "clearSession"
>;
const sessionKeys = ["sessionId", "sessionParams", "sessionDisplayId", "clearSession"] as const;

/** Session fields belong together: one side's are taken, never a mixture of both. */
const saysSession = (said: SessionFields): boolean => sessionKeys.some((key) => Boolean(said[key]));
const sessionFieldsOf = (patch: Patch): SessionFields =>
  Object.fromEntries(
    sessionKeys.flatMap((key) => (patch[key] === undefined ? [] : [[key, patch[key]]])),
  );

/** What the row keeps as `result_json`: the adapter's own, with the summary in it, within its bound. */
export function resultJson({ resultJson: json, summary }: RunResult): Json | null {
  if (!json && !summary) return null;
  return boundJson(summary ? { summary, ...json } : json!);
}

/**
 * JSON of a result or an event within 64 KiB. What is larger is cut and says so: first long texts and lists, and when
 * that is not enough only the beginning of its JSON is kept.
 */
export function boundJson(json: Json): Json {
  const text = JSON.stringify(json);
  // Nearly always: as UTF-8, each character is at most three bytes.
  if (text.length * 3 <= jsonBytesMax) return json;
  const bytes = bytesOf(text);
  if (bytes <= jsonBytesMax) return json;
  const cut = { reason: `this was ${bytes} bytes, at most ${jsonBytesMax} are kept` };
  const shorter = { ...(shorten(json) as Json), _cut: cut };
  if (bytesOf(JSON.stringify(shorter)) <= jsonBytesMax) return shorter;
  return { _cut: cut, beginning: headOf(text, excerptMax) };
}

/** 50 items: what is left of a list in JSON that is too large. */
const itemsMax = 50;

function shorten(value: unknown): unknown {
  if (typeof value === "string")
    return value.length <= textMax
      ? value
      : `${headOf(value, textMax)} … (${value.length - textMax} characters cut)`;
  if (Array.isArray(value)) {
    const kept: unknown[] = value.slice(0, itemsMax).map(shorten);
    return value.length <= itemsMax ? kept : [...kept, `… (${value.length - itemsMax} items cut)`];
  }
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shorten(inner)]));
}

const encoder = new TextEncoder();
/** How many bytes a text is as UTF-8. */
export const bytesOf = (text: string): number => encoder.encode(text).length;
