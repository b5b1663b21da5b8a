import { expect, test } from "vitest";
import { subjectMatches } from "./subject-match.js";

test.each([
  ["a.b", "a.b", true],
  ["a.b", "a.c", false],
  ["a.*", "a.b", true],
  ["a.*", "a.b.c", false],
  ["a.*", "a", false],
  ["a.>", "a.b.c", true],
  ["a.>", "a", false],
  [">", "a", true],
  ["*.b.>", "a.b.c.d", true],
  ["*.b.>", "a.c.c.d", false],
])("%s and %s: %s", (pattern, subject, matches) => {
  expect(subjectMatches(pattern, subject)).toBe(matches);
});
