import { expect, test } from "vitest";
import { readArguments } from "./command-arguments.js";
import {
  isChanged,
  passesInARow,
  resultsOf,
  table,
  withResult,
  withoutResults,
  type Result,
  type Results,
} from "./command-record.js";

const result = (passed: boolean, hash = "now", more: Partial<Result> = {}): Result => ({
  at: "2026-01-01T00:00:00.000Z",
  ms: 1_000,
  passed,
  hash,
  tests: 1,
  ...more,
});
const recorded = (results: readonly Result[]): Results =>
  results.reduce<Results>((record, one) => withResult(record, "F5", "short", one), {});

test("passes count from the last failure and the last change of the code", () => {
  expect(passesInARow([], "now")).toBe(0);
  expect(passesInARow([result(true), result(true)], "now")).toBe(2);
  expect(passesInARow([result(true), result(false), result(true)], "now")).toBe(1);
  expect(passesInARow([result(true, "old"), result(true)], "now")).toBe(1);
  expect(passesInARow([result(true), result(true, "old")], "now")).toBe(0);
  expect(passesInARow([result(true), result(false)], "now")).toBe(0);
});

test("forms and rows are counted apart, and old results go", () => {
  const short = recorded(Array.from({ length: 30 }, (_, ms) => result(true, "now", { ms })));
  expect(resultsOf(short, "F5", "short")).toHaveLength(20);
  expect(resultsOf(short, "F5", "short").at(-1)?.ms).toBe(29);
  expect(resultsOf(short, "F5", "full")).toEqual([]);
  expect(resultsOf(short, "F6", "short")).toEqual([]);
  const both = withResult(short, "F5", "full", result(true));
  expect(resultsOf(withoutResults(both, ["F5"], "short"), "F5", "short")).toEqual([]);
  expect(resultsOf(withoutResults(both, ["F5"], "short"), "F5", "full")).toHaveLength(1);
  expect(resultsOf(withoutResults(both, ["F6"], "short"), "F5", "short")).toHaveLength(20);
});

test("a row is changed when its last result is of other code, or when there is none", () => {
  expect(isChanged({}, "F5", "short", "now")).toBe(true);
  expect(isChanged(recorded([result(true, "old")]), "F5", "short", "now")).toBe(true);
  expect(isChanged(recorded([result(false)]), "F5", "short", "now")).toBe(false);
});

test("the table says how far each row is, how long its slowest pass took and why it failed", () => {
  const rows = [
    { id: "F5", fault: "frozen", hash: "now" },
    { id: "F6", fault: "frozen too", hash: "now" },
  ];
  const good = recorded([result(true, "now", { ms: 9_000 }), result(true, "now", { ms: 2_500 })]);
  const lacking = table(rows, good, "short", 2);
  expect(lacking.complete).toBe(false);
  expect(lacking.lines[0]).toMatch(/^ok {2}F5 +2\/2 +9\.0 s {2}frozen$/);
  expect(lacking.lines[1]).toMatch(/^ {4}F6 +0\/2 +frozen too$/);
  const bad = withResult(good, "F6", "short", result(false, "now", { reason: "a run was lost" }));
  expect(table(rows, bad, "short", 2).lines[1]).toMatch(/frozen too {2}a run was lost$/);
  expect(table(rows.slice(0, 1), good, "short", 2).complete).toBe(true);
  expect(table(rows.slice(0, 1), good, "short", 3).complete).toBe(false);
});

test("arguments: every row once by default; what is wrong is named", () => {
  expect(readArguments([])).toMatchObject({
    times: 1,
    form: "short",
    fresh: false,
    changed: false,
  });
  expect(readArguments([]).ids).toHaveLength(30);
  expect(readArguments(["--only", "f6,F5", "--times", "10", "--form", "full"])).toMatchObject({
    ids: ["F5", "F6"],
    times: 10,
    form: "full",
  });
  expect(() => readArguments(["--only", "F31"])).toThrow("--only: the matrix has no row F31");
  for (const times of ["0", "21", "x", "-1"])
    expect(() => readArguments([`--times=${times}`])).toThrow("--times");
  expect(() => readArguments(["--form", "long"])).toThrow("--form");
  expect(() => readArguments(["--often"])).toThrow("--often");
});
