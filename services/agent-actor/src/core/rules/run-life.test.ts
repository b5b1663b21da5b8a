// What is written and told while a run lives, and how it is cancelled. How it ends by itself is in ../end-run.test.ts.
import { expect, test } from "vitest";
import type { MailboxMessage } from "../delivery.js";
import type { AgentState, RunState } from "../state.js";
import {
  agentOf,
  claimOf,
  companyId,
  finishOf,
  idOf,
  reportOf,
  runOf,
  startMs,
} from "../testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "../testing/given.js";

const withRuns = (runs: RunState[], slots = 1): AgentState => ({
  ...agentOf({ status: "running", heartbeat: { maxConcurrentRuns: slots } }),
  runs,
});
const started = (run: RunState): MailboxMessage => ({
  kind: "run.started",
  body: { runId: run.id, attempt: run.attempt, ...claimOf("one") },
});
const finished = (run: RunState, result = {}, events: object[] = []): MailboxMessage => ({
  kind: "run.finished",
  body: { ...reportOf(run), ...finishOf(result), events: events as never },
});
const cancel = (run: RunState, reason = "Cancelled by control plane"): MailboxMessage => ({
  kind: "cancel",
  body: { runId: run.id, reason, actorType: "user" },
});

test("with the go: the agent runs, the run names its log, and its first event is there [E6] [E7] [E8]", () => {
  const run = runOf("dispatched");
  const decision = decided({ ...agentOf(), runs: [run] }, started(run));
  expect(decision.state.agent.status).toBe("running");
  expect(rowsOf(decision, "agents")).toMatchObject([{ status: "running" }]);
  expect(rowsOf(decision, "runs")).toMatchObject([
    { logStore: "jetstream", logRef: `${companyId}/${run.id}`, lastEventSeq: 1 },
  ]);
  expect(rowsOf(decision, "events")).toMatchObject([
    { seq: 1, eventType: "lifecycle", stream: "system", level: "info", message: "run started" },
  ]);
});

test("an end tells the invocation and the outcome, numbered on, and never again [E7] [B8] [B9]", () => {
  const run = runOf("running");
  const invoked = {
    eventType: "adapter.invoke",
    message: "adapter invocation",
    payload: {},
    at: "2026-01-01T00:00:00Z",
  };
  const decision = decided(withRuns([run]), finished(run, { exitCode: 3 }, [invoked]));
  expect(rowsOf(decision, "events")).toMatchObject([
    { seq: 2, eventType: "adapter.invoke" },
    { seq: 3, level: "error", message: "run failed", payload: { status: "failed", exitCode: 3 } },
  ]);
  const again = decided(decision.state, finished(run));
  expect(again.rows).toEqual([]);
  expect(effectsOf(again, "answer")).toMatchObject([{ answer: "gone" }]);
});

test("the runtime state is there after the first end, whoever was first [E1] [B23]", () => {
  const run = runOf("running");
  expect(rowsOf(decided(withRuns([run]), finished(run)), "runtimeStates")).toMatchObject([
    { agentId: idOf("ada"), lastRunId: run.id, lastRunStatus: "succeeded" },
  ]);
});

test("a run that could not start at all is an end like any other: its slot is free again [E15] [B23]", () => {
  const run = runOf("running");
  const next = runOf("queued", { id: idOf("next"), taskKey: "next" });
  const result = {
    exitCode: null,
    errorMessage: "no such folder",
    errorCode: "workspace",
    threw: true,
  };
  const decision = decided(withRuns([run, next]), finished(run, result));
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { status: "failed", error: "no such folder" },
  ]);
  expect(effectsOf(decision, "dispatch")).toMatchObject([{ execution: { runId: next.id } }]);
});

test("each change of status is told with all its fields, nulls included [L5]", () => {
  const run = runOf("dispatched", { triggerDetail: "ping" });
  const go = decided(withRuns([run]), started(run), { place: { atMs: startMs } });
  const told = (decision: typeof go) =>
    effectsOf(decision, "announce").find(({ type }) => type === "heartbeat.run.status")?.payload;
  const common = {
    runId: run.id,
    agentId: idOf("ada"),
    invocationSource: "on_demand",
    triggerDetail: "ping",
    startedAt: "2026-01-01T00:00:00.000Z",
  };
  expect(told(go)).toEqual({
    ...common,
    status: "running",
    error: null,
    errorCode: null,
    finishedAt: null,
  });
  const end = decided(go.state, finished(run, { exitCode: 1 }), { place: { atMs: startMs + 9 } });
  expect(told(end)).toEqual({
    ...common,
    status: "failed",
    error: "Adapter failed",
    errorCode: "adapter_failed",
    finishedAt: "2026-01-01T00:00:00.009Z",
  });
});

test("each event is told with all its fields, nulls included [L6]", () => {
  const run = runOf("dispatched");
  const decision = decided(withRuns([run]), started(run));
  const events = effectsOf(decision, "announce").filter(
    ({ type }) => type === "heartbeat.run.event",
  );
  expect(events.map(({ payload }) => payload)).toEqual([
    {
      runId: run.id,
      agentId: idOf("ada"),
      seq: 1,
      eventType: "lifecycle",
      stream: "system",
      level: "info",
      color: null,
      message: "run started",
      payload: null,
    },
  ]);
});

test("a cancel of what is over, or was never there, changes nothing [X1] [X2]", () => {
  const decision = decided(withRuns([]), cancel(runOf("running")));
  expect(decision).toMatchObject({ outcome: "ignored", rows: [], effects: [] });
});

test("a cancel of a process asks its runner, and everything stays as it is until the tree is dead [X3] [B6] [B7]", () => {
  const run = runOf("running", { issueId: idOf("issue") });
  const next = runOf("queued", { id: idOf("next"), taskKey: "next" });
  const decision = decided(withRuns([run, next]), cancel(run));
  expect(effectsOf(decision, "control")).toMatchObject([{ order: "cancel", runId: run.id }]);
  expect(rowsOf(decision, "runs")).toMatchObject([{ status: "running", holdsIssue: true }]);
  expect(effectsOf(decision, "dispatch")).toEqual([]);
  expect(effectsOf(decision, "release")).toEqual([]);
});

test("with the process dead: text, code, time, wake, event, issue and the next one, together [X4] [B8]", () => {
  const run = runOf("running", { issueId: idOf("issue") });
  const next = runOf("queued", { id: idOf("next"), taskKey: "next" });
  const asked = decided(withRuns([run, next]), cancel(run));
  const decision = decided(asked.state, finished(run, { exitCode: 143, signal: null }));
  const ended = { error: "Cancelled by control plane", finishedAt: expect.any(String) as string };
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { ...ended, status: "cancelled", errorCode: "cancelled", exitCode: 143 },
  ]);
  expect(rowsOf(decision, "wakes")).toMatchObject([{ ...ended, status: "cancelled" }]);
  expect(rowsOf(decision, "events")).toMatchObject([{ level: "warn", message: "run cancelled" }]);
  expect(effectsOf(decision, "release")).toHaveLength(1);
  expect(effectsOf(decision, "dispatch")).toMatchObject([{ execution: { runId: next.id } }]);
});

test.each(["queued", "waiting", "dispatched"] as const)(
  "a run that is %s is cancelled at once, without a signal [X5]",
  (phase) => {
    const run = runOf(phase, phase === "waiting" ? { issueId: idOf("issue") } : {});
    const decision = decided(withRuns([run]), cancel(run));
    expect(rowsOf(decision, "runEnds")).toMatchObject([{ status: "cancelled", phase: "over" }]);
    expect(effectsOf(decision, "control")).toEqual([]);
    expect(effectsOf(decision, "withdraw")).toHaveLength(phase === "dispatched" ? 1 : 0);
  },
);

test.each(["pause", "terminate"] as const)(
  "%s cancels what is queued and what runs, and says why [X6] [B7]",
  (kind) => {
    const run = runOf("running");
    const waiting = runOf("queued", { id: idOf("waiting"), taskKey: "waiting" });
    const asked = decided(withRuns([run, waiting]), { kind, body: { actorType: "user" } });
    expect(rowsOf(asked, "runEnds")).toMatchObject([
      { id: waiting.id, status: "cancelled", error: "Cancelled due to agent pause" },
    ]);
    const ended = decided(asked.state, finished(run, { exitCode: null, signal: "SIGTERM" }));
    expect(rowsOf(ended, "runEnds")).toMatchObject([
      { id: run.id, status: "cancelled", error: "Cancelled due to agent pause" },
    ]);
    expect(ended.state.agent.status).toBe(kind === "pause" ? "paused" : "terminated");
  },
);

test("after a resume the agent is idle, and deferred wakes are as they were [X7]", () => {
  const state = { ...agentOf({ status: "paused" }), waits: [] };
  expect(decided(state, { kind: "resume", body: { actorType: "user" } }).state.agent.status).toBe(
    "idle",
  );
});

test("the end of a lost run is an end like any other [Z3]", () => {
  const run = runOf("running", { issueId: idOf("issue"), losses: 5 });
  const next = runOf("queued", { id: idOf("next"), taskKey: "next" });
  const decision = decided(withRuns([run, next]), {
    kind: "run.lost",
    body: { ...reportOf(run), reason: "runner_gone" },
  });
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { status: "failed", errorCode: "process_lost" },
  ]);
  expect(rowsOf(decision, "wakes")).toMatchObject([{ status: "failed" }]);
  expect(rowsOf(decision, "events")).toHaveLength(1);
  expect(effectsOf(decision, "release")).toHaveLength(1);
  expect(effectsOf(decision, "dispatch")).toMatchObject([{ execution: { runId: next.id } }]);
  expect(decision.state.agent.status).toBe("error");
});

test("a loss is told in the run: which attempt, and why [Z4]", () => {
  const run = runOf("running");
  const decision = decided(withRuns([run]), {
    kind: "run.lost",
    body: { ...reportOf(run), reason: "runner_gone" },
  });
  expect(rowsOf(decision, "events")).toMatchObject([
    { level: "warn", payload: { attempt: 1, reason: "its runner was lost" } },
  ]);
  expect(rowsOf(decision, "runs")).toMatchObject([{ status: "running", losses: 1, attempt: 2 }]);
});
