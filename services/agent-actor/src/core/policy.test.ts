import fc from "fast-check";
import { expect, test } from "vitest";
import { nextTimerAfter, readPolicy } from "./policy.js";

const heartbeat = (fields: Record<string, unknown>) => readPolicy({ heartbeat: fields });

test.each([
  undefined,
  null,
  [],
  "text",
  7,
  { heartbeat: null },
  { heartbeat: [] },
  { heartbeat: "x" },
])("%j counts as no configuration", (config) => {
  expect(readPolicy(config)).toEqual({
    timerEnabled: true,
    intervalSec: 0,
    wakeOnDemand: true,
    maxConcurrentRuns: 1,
    maxQueuedRuns: 1_000,
    pool: "default",
    lossesMax: 1,
  });
});

test.each([
  [1, 1],
  [2.9, 2],
  [3, 3],
  [10, 10],
  [99, 10],
  [0, 1],
  [-5, 1],
  ["4", 1],
  [null, 1],
  [true, 1],
  [Number.NaN, 1],
  [Infinity, 1],
])("maxConcurrentRuns %j is %i", (given, expected) => {
  expect(heartbeat({ maxConcurrentRuns: given }).maxConcurrentRuns).toBe(expected);
});

test.each([
  [0, 1],
  [5, 5],
  [1e9, 10_000],
  ["7", 1_000],
])("maxQueuedRuns %j is %i", (given, expected) => {
  expect(heartbeat({ maxQueuedRuns: given }).maxQueuedRuns).toBe(expected);
});

test("the first of the four names of wakeOnDemand that is set wins; what is no boolean is true", () => {
  expect(heartbeat({ wakeOnDemand: false, wakeOnAssignment: true }).wakeOnDemand).toBe(false);
  expect(heartbeat({ wakeOnDemand: null, wakeOnAssignment: false }).wakeOnDemand).toBe(false);
  expect(heartbeat({ wakeOnOnDemand: false }).wakeOnDemand).toBe(false);
  expect(heartbeat({ wakeOnAutomation: false }).wakeOnDemand).toBe(false);
  expect(heartbeat({ wakeOnDemand: "no", wakeOnAutomation: false }).wakeOnDemand).toBe(true);
});

test("a timer needs a positive interval and its switch", () => {
  const next = (fields: Record<string, unknown>) => nextTimerAfter(heartbeat(fields), 1_000);
  expect(next({ intervalSec: 60 })).toBe(61_000);
  expect(next({ intervalSec: 60, enabled: false })).toBeNull();
  expect(next({ intervalSec: -60 })).toBeNull();
  expect(next({})).toBeNull();
});

test.each(["x.y", "*", ">", "", 7, null])("the pool %j is the default one", (pool) => {
  expect(readPolicy({ runner: { pool } }).pool).toBe("default");
});

test("whatever the configuration, the policy is within its bounds", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const policy of [
        readPolicy(value),
        heartbeat({ maxConcurrentRuns: value, maxQueuedRuns: value, intervalSec: value }),
      ]) {
        expect(policy.maxConcurrentRuns).toSatisfy(
          (n: number) => Number.isInteger(n) && n >= 1 && n <= 10,
        );
        expect(policy.maxQueuedRuns).toSatisfy(
          (n: number) => Number.isInteger(n) && n >= 1 && n <= 10_000,
        );
        expect(policy.intervalSec).toBeGreaterThanOrEqual(0);
      }
    }),
  );
});
