import { systemClock } from "@reveille/shared/runtime/clock";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Execution, RunEvent, RunProgress } from "@reveille/shared/protocol/execution";
import { createProgress } from "./progress.js";

const event = (message: string): RunEvent => ({
  eventType: "e",
  message,
  at: "2026-01-01T00:00:00Z",
});
const claim = { runId: "r", attempt: 1, claimId: "c", incarnation: "i" };

let sent: RunProgress[];
let answered: (() => void)[];
let store: () => Promise<boolean>;
const make = () =>
  createProgress(
    {
      progress: (_, report, onAnswered) => {
        sent.push(report);
        answered.push(onAnswered);
        return store();
      },
    },
    {} as Execution,
    claim,
    systemClock,
  );
beforeEach(() => {
  vi.useFakeTimers();
  sent = [];
  answered = [];
  store = () => Promise.resolve(true);
});
afterEach(() => vi.useRealTimers());

test("a short run sends nothing on its way", async () => {
  const progress = make();
  progress.tell(event("a"));
  await vi.advanceTimersByTimeAsync(40);
  expect(await progress.close()).toEqual({ events: [event("a")], progressCount: 0 });
  expect(sent).toEqual([]);
});

test("a run that lasts tells soon, then at most once a second, with rising numbers", async () => {
  const progress = make();
  progress.tell(event("a"));
  await vi.advanceTimersByTimeAsync(260);
  for (let at = 1; at <= 29; at += 1) {
    progress.used({ costUsd: at });
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(sent.map(({ progressId }) => progressId)).toEqual([1, 2, 3]);
  expect(sent[0]!.events).toEqual([event("a")]);
  // The latest stands for all before it.
  expect(sent.map(({ usage }) => usage?.costUsd)).toEqual([undefined, 10, 20]);
  expect(await progress.close()).toEqual({ events: [], progressCount: 3 });
});

test("an answer is no news: with nothing to tell nothing is sent", async () => {
  const progress = make();
  progress.tell(event("a"));
  await vi.advanceTimersByTimeAsync(260);
  answered[0]!();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent).toHaveLength(1);
  await progress.close();
});

test("nothing overtakes a report that could not be stored, until it is answered", async () => {
  store = () => Promise.resolve(false);
  const progress = make();
  progress.tell(event("a"));
  await vi.advanceTimersByTimeAsync(260);
  progress.tell(event("b"));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(sent).toHaveLength(1);
  answered[0]!();
  store = () => Promise.resolve(true);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(sent.map(({ progressId }) => progressId)).toEqual([1, 2]);
  expect(sent[1]!.events).toEqual([event("b")]);
});

test("the end waits for what is on its way, and never for an answer", async () => {
  let stored: (value: boolean) => void = () => undefined;
  store = () => new Promise((resolve) => (stored = resolve));
  const progress = make();
  progress.tell(event("a"));
  await vi.advanceTimersByTimeAsync(260);
  progress.tell(event("b"));
  let closed = false;
  const closing = progress.close().then((rest) => {
    closed = true;
    return rest;
  });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(closed).toBe(false);
  stored(false);
  expect(await closing).toEqual({ events: [event("b")], progressCount: 1 });
});

test("more than fits beside the end goes before it; far too much is counted [B33]", async () => {
  const progress = make();
  for (let at = 0; at < 600; at += 1) progress.tell(event(String(at)));
  const { events, progressCount } = await progress.close();
  expect(sent.every((report) => report.events.length <= 64)).toBe(true);
  expect(progressCount).toBe(sent.length);
  const told = [...sent.flatMap((report) => report.events), ...events];
  expect(told).toHaveLength(513);
  expect(told.at(-1)).toMatchObject({
    level: "warn",
    message: "88 events were too many and are left out",
  });
});

test("large events are split over reports", async () => {
  const progress = make();
  for (let at = 0; at < 4; at += 1) progress.tell(event("x".repeat(16_000)));
  await progress.close();
  expect(sent.map((report) => report.events.length)).toEqual([2]);
});
