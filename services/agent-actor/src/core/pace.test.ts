import { expect, test } from "vitest";
import { pace, spendToken, startPace } from "./pace.js";

test("given rest, the batches of one run start at once", () => {
  let state = startPace(0);
  for (const nowMs of [100, 103, 106]) {
    const next = pace(state, nowMs);
    expect(next.waitMs).toBe(0);
    state = spendToken(next.state);
  }
});

test("given steady load, batches start a period apart", () => {
  let state = startPace(0);
  let nowMs = 0;
  let started = 0;
  while (nowMs < 1_000) {
    const next = pace(state, nowMs);
    state = next.state;
    if (next.waitMs > 0) nowMs += next.waitMs;
    else {
      state = spendToken(state);
      started += 1;
    }
  }
  expect(started).toBeGreaterThanOrEqual(125);
  expect(started).toBeLessThanOrEqual(130);
});

test("a clock that goes back gives no tokens and takes none", () => {
  const state = spendToken(startPace(100));
  expect(pace(state, 50).state.tokens).toBe(state.tokens);
});

test("what rounding leaves of a token is waited for by moving the clock", () => {
  const now = 70_000.1;
  const { waitMs } = pace({ tokens: 1 - Number.EPSILON, atMs: now }, now);
  expect(waitMs).toBe(1);
  expect(pace({ tokens: 1 - Number.EPSILON, atMs: now }, now + waitMs).waitMs).toBe(0);
});
