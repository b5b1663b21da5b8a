/**
 * The context of a wake: what its run will know of why it runs. Values that are there are never
 * overwritten; blank ones are filled.
 */
import type { WakeRequest } from "@reveille/shared/protocol/wake";
import type { Json } from "./state.js";

const text = (value: unknown): string | null =>
  typeof value === "string" && value.trim() !== "" ? value : null;
const firstOf = (...values: unknown[]): string | null =>
  values.map(text).find((value) => value !== null) ?? null;

/** The task that a wake belongs to: equal keys of one agent are one scope. */
export const taskKeyOf = (context: Json, payload: Json): string | null =>
  firstOf(
    context["taskKey"],
    context["taskId"],
    context["issueId"],
    payload["taskKey"],
    payload["taskId"],
    payload["issueId"],
  );

/** The issue that a wake works on; checked to be a UUID where it came in. */
export const issueIdOf = (context: Json, payload: Json): string | null =>
  firstOf(context["issueId"], payload["issueId"])?.toLowerCase() ?? null;

export const commentIdOf = (context: Json, payload: Json): string | null =>
  firstOf(context["wakeCommentId"], context["commentId"], payload["commentId"]);

/** A copy of the wake's context with what follows from its other fields. */
export function enrichContext(wake: WakeRequest): Json {
  const context: Json = { ...wake.contextSnapshot };
  const payload = wake.payload ?? {};
  const fill = (key: string, value: unknown): void => {
    if (value !== null && value !== undefined && text(context[key]) === null) context[key] = value;
  };
  fill("wakeReason", wake.reason);
  fill("issueId", text(payload["issueId"]));
  fill("taskId", text(payload["issueId"]));
  fill("taskKey", taskKeyOf(context, payload));
  const commentId = commentIdOf(context, payload);
  fill("commentId", commentId);
  fill("wakeCommentId", commentId);
  fill("wakeSource", wake.source);
  fill("wakeTriggerDetail", wake.triggerDetail);
  return context;
}

/** The context of a run that another wake joins: what is new wins, and so does the newest comment. */
export function mergeContexts(existing: Json, incoming: Json): Json {
  const commentId = commentIdOf(incoming, {});
  return {
    ...existing,
    ...incoming,
    ...(commentId ? { commentId, wakeCommentId: commentId } : {}),
  };
}
