import { expect, test } from "vitest";
import { acquire, assertHolder, release, waitersMax } from "./lock.js";
import type { LockEntry } from "./lock.js";
import { companyId, idOf } from "./testing/fixtures.js";

const entry = (name: string, requestedAtMs = 0): LockEntry => ({
  runId: idOf(name),
  requestId: name,
  companyId,
  agentId: idOf(`agent of ${name}`),
  partition: 0,
  generation: 1,
  sequence: 1,
  requestedAtMs,
});
const [a, b, c] = [entry("a", 1), entry("b", 2), entry("c", 3)];

test("a free lock is taken", () => {
  expect(acquire(null, a)).toEqual({ outcome: "held", write: { holder: a, waiters: [] } });
});
test("the holder finds itself and writes nothing", () => {
  expect(acquire({ holder: a, waiters: [b] }, a)).toEqual({ outcome: "held", write: null });
});
test("whoever meets another holder has to look whether it lives", () => {
  expect(acquire({ holder: a, waiters: [] }, b)).toEqual({ outcome: "contended", holder: a });
});
test("waiters stand in the order of their requests, whenever they came", () => {
  expect(acquire({ holder: a, waiters: [c] }, b, true)).toEqual({
    outcome: "waiting",
    write: { holder: a, waiters: [b, c] },
  });
  expect(acquire({ holder: a, waiters: [b, c] }, c, true)).toEqual({
    outcome: "waiting",
    write: null,
  });
});
test("a dead holder gives way to the first waiter, never to whoever found it", () => {
  expect(acquire({ holder: a, waiters: [b] }, c, false)).toEqual({
    outcome: "waiting",
    write: { holder: b, waiters: [c] },
  });
  expect(acquire({ holder: a, waiters: [] }, c, false)).toEqual({
    outcome: "held",
    write: { holder: c, waiters: [] },
  });
});
test("a full queue takes nobody in, but knows who stands in it", () => {
  const waiters = Array.from({ length: waitersMax }, (_, at) => entry(`w${at}`, at));
  expect(acquire({ holder: a, waiters }, b, true)).toEqual({ outcome: "full" });
  expect(acquire({ holder: a, waiters }, waiters[9]!, true)).toMatchObject({ outcome: "waiting" });
});

test("a release hands over, and the last one frees", () => {
  expect(release({ holder: a, waiters: [b, c] }, a.runId)).toEqual({
    write: { holder: b, waiters: [c] },
    granted: b,
  });
  expect(release({ holder: a, waiters: [] }, a.runId)).toEqual({ write: null, granted: null });
});
test("a repeated release tells the new holder again and writes nothing", () => {
  expect(release({ holder: b, waiters: [c] }, a.runId)).toEqual({ write: undefined, granted: b });
  expect(release(null, a.runId)).toEqual({ write: undefined, granted: null });
});
test("a waiter leaves the queue without disturbing the holder", () => {
  expect(release({ holder: a, waiters: [b, c] }, b.runId)).toEqual({
    write: { holder: a, waiters: [c] },
    granted: null,
  });
});
test("whom Postgres names becomes the holder; who stood there waits", () => {
  expect(assertHolder(null, a)).toEqual({ holder: a, waiters: [] });
  expect(assertHolder({ holder: a, waiters: [b] }, a)).toBeNull();
  expect(assertHolder({ holder: b, waiters: [a, c] }, a)).toEqual({ holder: a, waiters: [b, c] });
});

test("a release that comes late takes nothing that was taken by a later message", () => {
  const later = { ...a, sequence: a.sequence + 5 };
  const taken = acquire({ holder: a, waiters: [b] }, later);
  expect(taken).toEqual({ outcome: "held", write: { holder: later, waiters: [b] } });
  const value = { holder: later, waiters: [b] };
  expect(release(value, a.runId, a)).toEqual({ write: undefined, granted: null });
  expect(release(value, a.runId, later)).toMatchObject({ granted: b });
  expect(release(value, a.runId)).toMatchObject({ granted: b });
});
