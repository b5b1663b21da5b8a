// One statement touches a row once: whatever a batch decides about a row becomes one entry, and nothing of it is forgotten.
import { expect, test } from "vitest";
import type { Row } from "../core/decision.js";
import { RowSet } from "./row-set.js";

const collect = (...rows: Row[]) => {
  const set = new RowSet();
  for (const row of rows) set.add(row);
  return set.tables;
};
const run = (op: "insert" | "update", fields: Record<string, unknown>): Row => ({
  table: "runs",
  op,
  row: { id: "r", ...fields },
});
const ended = (fields: Record<string, unknown>): Row => ({
  table: "runEnds",
  op: "update",
  row: { id: "r", ...fields },
});

test("an insert and its updates are one insert", () => {
  expect(
    collect(run("insert", { phase: "queued", a: 1 }), run("update", { phase: "dispatched" })),
  ).toMatchObject({
    newRuns: [{ id: "r", phase: "dispatched", a: 1 }],
    runs: [],
  });
});
test("several updates are one update", () => {
  expect(collect(run("update", { a: 1 }), run("update", { b: 2 }))).toMatchObject({
    runs: [{ id: "r", a: 1, b: 2 }],
  });
});
test("an end takes the updates before it with it", () => {
  expect(
    collect(run("update", { a: 1, phase: "running" }), ended({ phase: "over" })),
  ).toMatchObject({
    runs: [],
    runEnds: [{ id: "r", a: 1, phase: "over" }],
  });
});
test("a run that begins and ends in one batch is one insert", () => {
  expect(collect(run("insert", { phase: "queued" }), ended({ phase: "over" }))).toMatchObject({
    newRuns: [{ id: "r", phase: "over" }],
    runEnds: [],
  });
});
test("a wake's insert takes its updates in", () => {
  const row = (op: "insert" | "update", fields: object): Row => ({
    table: "wakes",
    op,
    row: { id: "w", ...fields },
  });
  expect(
    collect(row("insert", { status: "queued" }), row("update", { status: "claimed" })),
  ).toMatchObject({
    newWakes: [{ id: "w", status: "claimed" }],
    wakes: [],
  });
});
test("totals of an agent are added up, everything else is the last word", () => {
  const row = (tokens: number, lastRunId: string): Row => ({
    table: "runtimeStates",
    op: "upsert",
    row: {
      agentId: "a",
      inputTokens: tokens,
      outputTokens: 1,
      cachedInputTokens: 0,
      costMicros: 2,
      lastRunId,
    },
  });
  expect(collect(row(3, "x"), row(4, "y")).runtimeStates).toEqual([
    {
      agentId: "a",
      inputTokens: 7,
      outputTokens: 2,
      cachedInputTokens: 0,
      costMicros: 4,
      lastRunId: "y",
    },
  ]);
});
test("events, verdicts and costs are kept one by one, in order", () => {
  const event = (seq: number): Row => ({ table: "events", op: "insert", row: { seq } });
  expect(collect(event(1), event(2)).events).toEqual([{ seq: 1 }, { seq: 2 }]);
});
test("the caller's rows are left alone", () => {
  const row = Object.freeze({ id: "r", a: 1 });
  collect({ table: "runs", op: "insert", row }, run("update", { a: 2 }));
  expect(row.a).toBe(1);
});
