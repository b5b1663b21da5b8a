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
  if (commentId !== null) gather(context, [commentId]);
  fill("wakeSource", wake.source);
  fill("wakeTriggerDetail", wake.triggerDetail);
  return context;
}

/** 100 comments: what a process can be expected to read. Of more, the oldest fall out and are counted. */
const commentsMax = 100;

/** The comments that a context has gathered, in order. One that names none may still come from a single one. */
const commentIdsOf = (context: Json): readonly unknown[] => {
  const ids = context["wakeCommentIds"];
  if (Array.isArray(ids)) return ids;
  const commentId = commentIdOf(context, {});
  return commentId === null ? [] : [commentId];
};

/** Puts comments into a context: each once, in the order in which they came, and of too many how many there were. */
function gather(context: Json, commentIds: readonly unknown[]): void {
  const known = new Set(commentIdsOf(context));
  const fallen = Math.max(0, (asCount(context["wakeCommentCount"]) ?? 0) - known.size);
  for (const commentId of commentIds) known.add(commentId);
  context["wakeCommentIds"] = [...known].slice(-commentsMax);
  const count = fallen + known.size;
  if (count > commentsMax) context["wakeCommentCount"] = count;
}
const asCount = (value: unknown): number | null =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : null;

/** The context of a run that another wake joins: what is new wins, and so does the newest comment. */
export function mergeContexts(existing: Json, incoming: Json): Json {
  const commentId = commentIdOf(incoming, {});
  const { wakeCommentIds: _ids, wakeCommentCount: _count, ...rest } = incoming;
  const merged: Json = { ...existing, ...rest };
  if (commentId === null) return merged;
  const before = commentIdsOf(existing);
  Object.assign(merged, { commentId, wakeCommentId: commentId, wakeCommentIds: before });
  gather(merged, commentIdsOf(incoming));
  return merged;
}
