import fc from "fast-check";
import { expect, test } from "vitest";
import { nextTimerAfter, readPolicy } from "./policy.js";
import { retryDelayMs } from "./retry-policy.js";

const dayMs = 86_400_000;

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
])("%j counts as no configuration [W10]", (config) => {
  expect(readPolicy(config)).toEqual({
    timerEnabled: true,
    timetable: { schedule: { kind: "none" }, catchUp: "once" },
    wakeOnDemand: true,
    maxConcurrentRuns: 1,
    maxQueuedRuns: 1_000,
    pool: "default",
    lossesMax: 1,
    retry: {
      on: ["timeout", "transient"],
      max: 0,
      baseMs: 120_000,
      factor: 4,
      maxMs: 7_200_000,
      jitter: 0.25,
      pauseAfterFailures: 0,
    },
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
])("maxConcurrentRuns %j is %i [W9]", (given, expected) => {
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

test("the first of the four names of wakeOnDemand that is set wins; what is no boolean is true [W8]", () => {
  expect(heartbeat({ wakeOnDemand: false, wakeOnAssignment: true }).wakeOnDemand).toBe(false);
  expect(heartbeat({ wakeOnDemand: null, wakeOnAssignment: false }).wakeOnDemand).toBe(false);
  expect(heartbeat({ wakeOnOnDemand: false }).wakeOnDemand).toBe(false);
  expect(heartbeat({ wakeOnAutomation: false }).wakeOnDemand).toBe(false);
  expect(heartbeat({ wakeOnDemand: "no", wakeOnAutomation: false }).wakeOnDemand).toBe(true);
});

test("a timer needs a positive interval and its switch [W8] [M2]", () => {
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
        readPolicy({ heartbeat: { cron: value, timezone: value, catchUp: value } }),
        readPolicy({ retry: value }),
        readPolicy({
          retry: { lost: value, on: value, max: value, baseSec: value, maxSec: value },
        }),
        readPolicy({ retry: { max: 10, factor: value, jitter: value, pauseAfterFailures: value } }),
      ]) {
        expect(policy.maxConcurrentRuns).toSatisfy(
          (n: number) => Number.isInteger(n) && n >= 1 && n <= 10,
        );
        expect(policy.maxQueuedRuns).toSatisfy(
          (n: number) => Number.isInteger(n) && n >= 1 && n <= 10_000,
        );
        const next = nextTimerAfter(policy, 1_000);
        expect(next ?? Infinity).toBeGreaterThan(1_000);
        expect(policy.lossesMax).toSatisfy((n: number) => Number.isInteger(n) && n >= 0 && n <= 5);
        const { retry } = policy;
        expect(retry.max).toSatisfy((n: number) => Number.isInteger(n) && n >= 0 && n <= 10);
        for (const number of [0, retry.max]) {
          const delay = retryDelayMs(retry, number, "ffffffff-0000");
          expect(delay).toSatisfy(
            (ms: number) => Number.isInteger(ms) && ms >= 0 && ms <= 2 * dayMs,
          );
        }
      }
    }),
  );
});
