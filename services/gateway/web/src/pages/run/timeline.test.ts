import { expect, test } from "vitest";
import type { RunDetail, RunEvent } from "../../api/types.js";
import { hasGap, timeline, withEvent } from "./timeline.js";

const event = (seq: number, second: number): RunEvent => ({
  runId: "r",
  agentId: "a",
  seq,
  eventType: "lifecycle",
  level: null,
  message: `event ${seq}`,
  payload: null,
  createdAt: `2026-01-01T00:00:0${second}.000Z`,
});

test("moments and events stand in order, with the time to the next", () => {
  const run = {
    createdAt: "2026-01-01T00:00:00.000Z",
    dispatchedAt: "2026-01-01T00:00:01.000Z",
    cancelRequestedAt: null,
    invocationSource: "on_demand",
    pool: "default",
  } as RunDetail;
  const steps = timeline(run, [event(1, 3), event(2, 4)]);
  expect(steps.map(({ name, tookMs }) => [name, tookMs])).toEqual([
    ["Queued", 1_000],
    ["Dispatched", 2_000],
    ["Event 1", 1_000],
    ["Event 2", null],
  ]);
});

test("an event is there once, wherever it came from, and gaps are seen", () => {
  const events = [event(1, 0), event(3, 2)];
  expect(hasGap(events)).toBe(true);
  const full = withEvent(withEvent(events, event(2, 1)), event(3, 2));
  expect(full.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  expect(hasGap(full)).toBe(false);
});
