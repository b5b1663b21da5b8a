import { expect, test } from "vitest";
import { commentIdOf, enrichContext, issueIdOf, mergeContexts, taskKeyOf } from "./context.js";

test.each([
  [{ taskKey: "a", taskId: "b" }, { issueId: "c" }, "a"],
  [{ taskKey: " ", taskId: "b" }, {}, "b"],
  [{ issueId: "i" }, { taskKey: "p" }, "i"],
  [{}, { taskKey: "p", issueId: "c" }, "p"],
  [{}, { taskId: "q" }, "q"],
  [{ taskKey: 7 }, { issueId: "c" }, "c"],
  [{}, {}, null],
])("the task of %j and %j is %j [C1]", (context, payload, expected) => {
  expect(taskKeyOf(context, payload)).toBe(expected);
});

test("the first of the places of a comment and of an issue [C2] [C5]", () => {
  expect(commentIdOf({ wakeCommentId: "a", commentId: "b" }, { commentId: "c" })).toBe("a");
  expect(commentIdOf({}, { commentId: "c" })).toBe("c");
  expect(issueIdOf({ issueId: "ABC" }, { issueId: "d" })).toBe("abc");
  expect(issueIdOf({}, { issueId: "d" })).toBe("d");
});

test("blanks are filled, values are kept, and the caller's object is left alone [C3] [C4]", () => {
  const given = Object.freeze({ wakeReason: "mine", taskId: "" });
  const wake = {
    source: "on_demand",
    reason: "theirs",
    contextSnapshot: given,
    payload: { issueId: "i", commentId: "c" },
  } as const;
  expect(enrichContext(wake)).toEqual({
    wakeReason: "mine",
    taskId: "i",
    issueId: "i",
    taskKey: "i",
    commentId: "c",
    wakeCommentId: "c",
    wakeCommentIds: ["c"],
    wakeSource: "on_demand",
  });
});

test("what is new wins, and the newest comment stands in both places [C6]", () => {
  expect(
    mergeContexts({ a: 1, b: 1, commentId: "x", wakeCommentId: "x" }, { b: 2, commentId: "y" }),
  ).toEqual({
    a: 1,
    b: 2,
    commentId: "y",
    wakeCommentId: "y",
    wakeCommentIds: ["x", "y"],
  });
  expect(mergeContexts({ commentId: "x" }, { b: 2 })).toEqual({ commentId: "x", b: 2 });
});

const comment = (commentId: string) =>
  enrichContext({ source: "automation", contextSnapshot: { taskKey: "t", commentId } });
const gathered = (ids: readonly string[]) => ids.map(comment).reduce(mergeContexts);

test("comments are gathered in order, each once [B12]", () => {
  expect(gathered(["a", "b", "a", "c"])).toMatchObject({
    commentId: "c",
    wakeCommentIds: ["a", "b", "c"],
  });
  expect(gathered(["a", "b"])).not.toHaveProperty("wakeCommentCount");
});

test("of more than 100 comments the oldest fall out, and their number stays", () => {
  const ids = Array.from({ length: 250 }, (_, n) => `c${n}`);
  const { wakeCommentIds, wakeCommentCount } = gathered(ids);
  expect(wakeCommentIds).toEqual(ids.slice(-100));
  expect(wakeCommentCount).toBe(250);
});

test("a wake without a comment takes nothing away from those that are gathered", () => {
  const more = enrichContext({ source: "on_demand", contextSnapshot: { taskKey: "t" } });
  expect(mergeContexts(gathered(["a", "b"]), more)).toMatchObject({
    commentId: "b",
    wakeCommentIds: ["a", "b"],
  });
});
