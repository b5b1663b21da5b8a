// Wildcards and transforms, as the server has them.
import { expect, test } from "vitest";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { isPattern, matcher, transformer } from "./subject-pattern.js";

test.each([
  ["a.b", "a.b", true],
  ["a.b", "a.bc", false],
  ["a.*", "a.b", true],
  ["a.*", "a", false],
  ["a.*", "a.b.c", false],
  ["*.b", "a.b", true],
  ["*.b", "ab.b", true],
  ["*.b", "a.bb", false],
  ["a.>", "a.b.c", true],
  ["a.>", "a", false],
  ["a.*.>", "a.b", false],
  ["a.*.>", "a.b.c", true],
  [">", "anything.at.all", true],
  ["rv.*.run.*.log.*", "rv.c.run.r.log.stdout", true],
  ["rv.*.run.*.log.*", "rv.c.run.r.control", false],
])("%s against %s: %s", (pattern, subject, matches) => {
  expect(matcher(pattern)(subject)).toBe(matches);
});

test("what is a pattern", () => {
  expect(["a.b", "a.*", "a.>", "a.b*", "*"].map(isPattern)).toEqual([
    false,
    true,
    true,
    false,
    true,
  ]);
});

test("a transform takes wildcards, partition and the rest; what does not match stays", () => {
  const transform = transformer(
    "x.*.agent.*.>",
    "7.{{partition(8,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>",
  );
  const agent = "22222222-2222-4222-8222-222222222222";
  expect(transform(`x.c.agent.${agent}.run.started`)).toBe(
    `7.${partitionOf(agent, 8)}.c.${agent}.run.started`,
  );
  expect(transform("x.c.run.r")).toBe("x.c.run.r");
  expect(() => transformer("a.*", "{{split(1,-)}}")).toThrow("does not know the transform");
});
