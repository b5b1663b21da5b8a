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
])("C1 the task of %j and %j is %j", (context, payload, expected) => {
  expect(taskKeyOf(context, payload)).toBe(expected);
});

test("C2, C5 the first of the places of a comment and of an issue", () => {
  expect(commentIdOf({ wakeCommentId: "a", commentId: "b" }, { commentId: "c" })).toBe("a");
  expect(commentIdOf({}, { commentId: "c" })).toBe("c");
  expect(issueIdOf({ issueId: "ABC" }, { issueId: "d" })).toBe("abc");
  expect(issueIdOf({}, { issueId: "d" })).toBe("d");
});

test("C3, C4 blanks are filled, values are kept, and the caller's object is left alone", () => {
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
    wakeSource: "on_demand",
  });
});

test("C6 what is new wins, and the newest comment stands in both places", () => {
  expect(
    mergeContexts({ a: 1, b: 1, commentId: "x", wakeCommentId: "x" }, { b: 2, commentId: "y" }),
  ).toEqual({
    a: 1,
    b: 2,
    commentId: "y",
    wakeCommentId: "y",
  });
  expect(mergeContexts({ commentId: "x" }, { b: 2 })).toEqual({ commentId: "x", b: 2 });
});
