import { describe, expect, test } from "vitest";
import { decided, effectsOf, rowsOf } from "./testing/given.js";
import { agentOf, claimOf, finishOf, idOf, reportOf, runOf } from "./testing/fixtures.js";
import type { MailboxMessage } from "./delivery.js";
import type { AgentState, Json, RunState } from "./state.js";

const withRun = (run: RunState, fields: Partial<AgentState> = {}): AgentState => ({
  ...agentOf({ status: "running" }),
  runs: [run],
  ...fields,
});
const running = runOf("running");
const finished = (result: Json, run = running) =>
  decided(withRun(run), { kind: "run.finished", body: { ...reportOf(run), ...finishOf(result) } });
const lost = (run: RunState) =>
  decided(withRun(run), { kind: "run.lost", body: { ...reportOf(run), reason: "runner_gone" } });

test.each([
  [{}, "succeeded", null, "completed", "idle"],
  [{ exitCode: null }, "succeeded", null, "completed", "idle"],
  [{ exitCode: 3 }, "failed", "adapter_failed", "failed", "error"],
  [{ exitCode: 0, errorMessage: "no" }, "failed", "adapter_failed", "failed", "error"],
  [{ exitCode: 3, errorCode: "special" }, "failed", "special", "failed", "error"],
  [{ exitCode: null, signal: "SIGKILL" }, "failed", "adapter_failed", "failed", "error"],
  [{ exitCode: 0, timedOut: true }, "timed_out", "timeout", "timed_out", "error"],
] as const)("O1 %j: %s", (result, status, errorCode, wakeStatus, agentStatus) => {
  const decision = finished(result);
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { status, errorCode, phase: "over", live: false },
  ]);
  expect(rowsOf(decision, "wakes")).toMatchObject([{ status: wakeStatus }]);
  expect(rowsOf(decision, "events")).toMatchObject([{ seq: 2, message: `run ${status}` }]);
  expect(decision.state.agent.status).toBe(agentStatus);
  expect(effectsOf(decision, "answer")).toMatchObject([{ answer: "committed" }]);
});

test("a cancelled run ends as cancelled, whatever its process said", () => {
  expect(rowsOf(finished({ exitCode: 0 }, runOf("cancelling")), "runEnds")).toMatchObject([
    { status: "cancelled", error: "asked for" },
  ]);
});

test("G8 row, wake, event, runtime state, cost, agent and the lock that is owed are one decision", () => {
  const issueId = idOf("issue");
  const run = runOf("running", { issueId });
  const usage = { inputTokens: 5, outputTokens: 7, cachedInputTokens: 0 };
  const decision = finished({ usage, costUsd: 0.004, sessionId: "s" }, run);
  expect(new Set(decision.rows.map(({ table }) => table))).toEqual(
    new Set(["runEnds", "wakes", "events", "runtimeStates", "costs", "agents", "issues"]),
  );
  expect(rowsOf(decision, "costs")).toMatchObject([
    { costMicros: 4_000, costCents: 0, inputTokens: 5 },
  ]);
  expect(rowsOf(decision, "runEnds")).toMatchObject([{ owesRelease: true, sessionIdAfter: "s" }]);
  expect(effectsOf(decision, "release")).toMatchObject([{ issueId, runId: run.id, owner: "run" }]);
});

test("the freed slot goes to the next in the queue", () => {
  const next = runOf("queued", { id: idOf("next"), taskKey: "next" });
  const state = withRun(running, { runs: [running, next] });
  const { state: after } = decided(state, {
    kind: "run.finished",
    body: { ...reportOf(running), ...finishOf() },
  });
  expect(after.runs).toMatchObject([{ id: next.id, phase: "dispatched" }]);
});

test.each([
  ["another claim", { claimId: idOf("stranger") }, "stale"],
  ["an older attempt", { attempt: 7 }, "stale"],
  ["a run that is over", { runId: idOf("over") }, "gone"],
])("a report of %s changes nothing and is answered", (_, fields, answer) => {
  const state = withRun(running);
  const claim = { ...reportOf(running), ...fields };
  const messages: MailboxMessage[] = [
    { kind: "run.finished", body: { ...claim, ...finishOf() } },
    { kind: "run.lost", body: { ...claim, reason: "deadline" } },
    { kind: "run.progress", body: { ...claim, progressId: 1, events: [] } },
  ];
  for (const message of messages) {
    const decision = decided(state, message);
    expect(decision).toMatchObject({ rows: [], outcome: "stale" });
    expect(decision.state).toBe(state);
    expect(effectsOf(decision, "answer")).toMatchObject([{ answer }]);
  }
});

test("events are numbered by the actor, and a repeated progress report is known", () => {
  const event = { eventType: "adapter.invoke", at: "2026-01-01T00:00:00.000Z" };
  const body = { ...reportOf(running), progressId: 1, events: [event, event] };
  const first = decided(withRun(running), { kind: "run.progress", body });
  expect(rowsOf(first, "events").map(({ seq }) => seq)).toEqual([2, 3]);
  const again = decided(first.state, { kind: "run.progress", body });
  expect(again).toMatchObject({ rows: [], outcome: "duplicate" });
  expect(effectsOf(again, "answer")).toMatchObject([{ answer: "committed" }]);
});

test("a lost attempt is repeated in the same run, with its slot, its issue and its first start", () => {
  const run = runOf("running", { issueId: idOf("issue"), progressSeen: 4 });
  const decision = lost(run);
  expect(decision.state.runs).toMatchObject([
    {
      phase: "dispatched",
      attempt: 2,
      losses: 1,
      claim: null,
      holdsIssue: true,
      startedAtMs: run.startedAtMs,
    },
  ]);
  expect(rowsOf(decision, "runs")).toMatchObject([{ status: "running" }]);
  expect(effectsOf(decision, "dispatch")).toMatchObject([{ execution: { attempt: 2 } }]);
  expect(effectsOf(decision, "release")).toEqual([]);
});

test("the progress of a repeated attempt is new, though it counts from 1 again", () => {
  const again = lost(runOf("running", { progressSeen: 4 })).state;
  const claim = claimOf("two");
  const started = decided(again, {
    kind: "run.started",
    body: { ...reportOf(again.runs[0]!, claim), runnerId: "r" },
  });
  const event = { eventType: "adapter.invoke", at: "2026-01-01T00:00:00.000Z" };
  const body = { ...reportOf(started.state.runs[0]!, claim), progressId: 1, events: [event] };
  const progress = decided(started.state, { kind: "run.progress", body });
  expect(progress.outcome).toBe("applied");
  expect(rowsOf(progress, "events")).toHaveLength(1);
});

test("losses that are used up fail the run", () => {
  expect(rowsOf(lost(runOf("running", { attempt: 2, losses: 1 })), "runEnds")).toMatchObject([
    { status: "failed", errorCode: "process_lost" },
  ]);
});

describe("an attempt that a drained runner handed back", () => {
  const drained = (run: RunState, agent: Parameters<typeof agentOf>[0] = {}) =>
    decided(
      { ...agentOf({ status: "running", ...agent }), runs: [run] },
      {
        kind: "run.lost",
        body: { ...reportOf(run), reason: "drained" },
      },
    );
  test("is repeated at once in the same run, and is no loss [B36]", () => {
    const decision = drained(runOf("running", { attempt: 2, losses: 1 }));
    expect(decision.state.runs).toMatchObject([{ phase: "dispatched", attempt: 3, losses: 1 }]);
    expect(effectsOf(decision, "dispatch")).toMatchObject([{ execution: { attempt: 3 } }]);
    const message = "attempt 2 handed back: its runner was drained; it is repeated";
    expect(rowsOf(decision, "events")).toMatchObject([{ level: "info", message }]);
  });
  test("leaves the losses that a run may have as they were", () => {
    const again = drained(runOf("running")).state.runs[0]!;
    const gone = lost(runOf("running", { attempt: again.attempt, losses: again.losses }));
    expect(gone.state.runs).toMatchObject([{ attempt: 3, losses: 1 }]);
  });
  test("counts like a loss when no number of drains explains it", () => {
    const decision = drained(runOf("running", { attempt: 51, losses: 0 }));
    expect(decision.state.runs).toMatchObject([{ attempt: 52, losses: 1 }]);
    expect(rowsOf(drained(runOf("running", { attempt: 52, losses: 1 })), "runEnds")).toMatchObject([
      { status: "failed", errorCode: "process_lost" },
    ]);
  });
  test("is not repeated where the agent wants nothing repeated", () => {
    const decision = drained(runOf("running"), { retry: { lost: 0 } });
    expect(rowsOf(decision, "runEnds")).toMatchObject([{ errorCode: "process_lost" }]);
  });
  test("of a run that is to be cancelled is its end", () => {
    const decision = drained(runOf("cancelling"));
    expect(rowsOf(decision, "runEnds")).toMatchObject([{ status: "cancelled" }]);
  });
});

test("one claim gets the go of an attempt; the first go is when the run started", () => {
  const state = withRun(runOf("dispatched"));
  const body = (name: string) => ({ ...reportOf(state.runs[0]!, claimOf(name)), runnerId: "r" });
  const first = decided(state, { kind: "run.started", body: body("one") });
  expect(rowsOf(first, "wakes")).toMatchObject([{ status: "claimed" }]);
  expect(rowsOf(first, "events")).toMatchObject([{ seq: 1, message: "run started" }]);
  expect(rowsOf(first, "runs")).toMatchObject([{ status: "running", logStore: "jetstream" }]);
  for (const [name, answer] of [
    ["one", "go"],
    ["two", "no"],
  ] as const) {
    const next = decided(first.state, { kind: "run.started", body: body(name) });
    expect(next.rows).toEqual([]);
    expect(effectsOf(next, "answer")).toMatchObject([{ answer }]);
  }
});
