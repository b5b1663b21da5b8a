import { expect, test } from "vitest";
import { headOf, tailOf } from "./text.js";

test.each([
  ["abc", 3, "abc", "abc"],
  ["abcd", 2, "ab", "cd"],
  ["a😀b", 2, "a", "b"],
  ["a😀b", 3, "a😀", "😀b"],
  ["😀", 1, "", ""],
])("%j cut to %i keeps whole characters", (text, max, head, tail) => {
  expect(headOf(text, max)).toBe(head);
  expect(tailOf(text, max)).toBe(tail);
});
