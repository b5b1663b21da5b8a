import { expect, test } from "vitest";
import { clamped } from "./paging.js";

const limit = clamped({ absent: 1_000, nonsense: 200, zero: 200, min: 1, max: 1_000 });
test.each([
  [undefined, 1_000],
  ["0", 200],
  ["abc", 200],
  ["-1", 1],
  ["5", 5],
  ["1e9", 1_000],
  ["2.9", 2],
  [["3", "4"], 3],
])("%j means %j", (text, value) => {
  expect(limit.parse(text)).toBe(value);
});
