import { systemClock } from "@reveille/shared/runtime/clock";
import { createLogger } from "@reveille/shared/runtime/log";
import { beforeEach, expect, test } from "vitest";
import { createCutOff } from "./cut-off.js";
import type { CutOff } from "./cut-off.js";

const leaseTtlMs = 3_000;
let nowMs: number;
let connected: boolean;
let cutOff: CutOff;

beforeEach(() => {
  nowMs = 1_000;
  connected = true;
  cutOff = createCutOff({
    clock: { ...systemClock, monotonicMs: () => nowMs },
    connected: () => connected,
    leaseTtlMs,
    logger: createLogger("test", "silent"),
  });
});

const lookAfter = (ms: number): boolean => {
  nowMs += ms;
  return cutOff.mayRenew();
};

test("with NATS it renews, and takes what is free", () => {
  expect([lookAfter(0), lookAfter(60_000)]).toEqual([true, true]);
  expect(cutOff.returning).toBe(false);
});

test("a loss shorter than a lease changes nothing", () => {
  connected = false;
  expect([lookAfter(0), lookAfter(leaseTtlMs - 1)]).toEqual([true, true]);
  connected = true;
  expect(lookAfter(10)).toBe(true);
  expect(cutOff.returning).toBe(false);
});

test("two short losses are not one long one", () => {
  connected = false;
  lookAfter(0);
  connected = true;
  lookAfter(leaseTtlMs);
  connected = false;
  expect(lookAfter(1)).toBe(true);
});

test("after a lease without NATS it renews no more, and back it leaves others alone for one lease", () => {
  connected = false;
  lookAfter(0);
  expect([lookAfter(leaseTtlMs), lookAfter(60_000)]).toEqual([false, false]);
  connected = true;
  expect(lookAfter(5)).toBe(true);
  expect(cutOff.returning).toBe(true);
  lookAfter(leaseTtlMs - 1);
  expect(cutOff.returning).toBe(true);
  lookAfter(1);
  expect(cutOff.returning).toBe(false);
});
