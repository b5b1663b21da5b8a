// The end of a run: what is written together, in which words, and what a late or lost report changes.
import { expect, test } from "vitest";
import type { MailboxMessage } from "./delivery.js";
import type { AgentState, Json, RunState } from "./state.js";
import { agentOf, finishOf, idOf, reportOf, runOf } from "./testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";

const running = runOf("running");
const withRun = (run: RunState, fields: Partial<AgentState> = {}): AgentState => ({
  ...agentOf({ status: "running" }),
  runs: [run],
  ...fields,
});
const finish = (result: Json, run = running, fields: Json = {}): MailboxMessage => ({
  kind: "run.finished",
  body: { ...reportOf(run), ...finishOf(result), ...fields },
});
const finished = (result: Json, run = running, fields: Json = {}) =>
  decided(withRun(run), finish(result, run, fields));
const framesOf = (decision: ReturnType<typeof decided>) =>
  effectsOf(decision, "announce").map(({ type, payload }) => ({ type, ...payload }));

test("everything that is known of the process is stored with its end [O4]", () => {
  const result = {
    exitCode: 3,
    signal: null,
    usage: { inputTokens: 1, outputTokens: 2, cachedInputTokens: 0 },
    costUsd: 0.5,
    billingType: "api",
    resultJson: { a: 1 },
    sessionId: "s",
  };
  expect(rowsOf(finished(result), "runEnds")).toMatchObject([
    {
      exitCode: 3,
      signal: null,
      usageJson: { inputTokens: 1, outputTokens: 2, costUsd: 0.5, billingType: "api" },
      resultJson: { a: 1 },
      sessionIdAfter: "s",
      stdoutExcerpt: "out",
      stderrExcerpt: "",
      logBytes: 3,
      logSha256: "a".repeat(64),
      logCompressed: false,
      containment: "cgroup",
      finishedAt: "2026-01-01T00:00:00.100Z",
    },
  ]);
});

test.each([
  [{}, "completed", null],
  [{ exitCode: 1, errorMessage: "no" }, "failed", "no"],
  [{ timedOut: true }, "timed_out", "Timed out"],
])("the wake closes with its run, and with its error: %j [O5]", (result, status, error) => {
  expect(rowsOf(finished(result), "wakes")).toMatchObject([
    { id: running.wakeRequestId, status, error, finishedAt: "2026-01-01T00:00:00.100Z" },
  ]);
});

test("an adapter that could not do its work: failed with its words, and the last event is the error [O6] [D5]", () => {
  const errorMessage = 'Failed to start command "no-such" in "/tmp"';
  const decision = finished({ threw: true, exitCode: null, errorMessage });
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    {
      status: "failed",
      error: errorMessage,
      errorCode: "adapter_failed",
      exitCode: null,
      resultJson: null,
      usageJson: null,
      sessionIdAfter: null,
      stdoutExcerpt: "out",
      logBytes: 3,
    },
  ]);
  expect(rowsOf(decision, "events")).toMatchObject([
    { seq: 2, eventType: "error", level: "error", message: errorMessage, payload: null },
  ]);
  expect(rowsOf(decision, "wakes")).toMatchObject([{ status: "failed", error: errorMessage }]);
  expect(rowsOf(decision, "runtimeStates")).toMatchObject([
    { lastError: errorMessage, lastRunStatus: "failed", costMicros: 0 },
  ]);
  expect(decision.state.agent.status).toBe("error");
});

test.each([
  [{}, "succeeded", "idle"],
  [{ exitCode: 1 }, "failed", "error"],
  [{ timedOut: true }, "timed_out", "error"],
])("after %j the agent is told as %s, and %s [O7]", (result, outcome, status) => {
  const decision = finished(result);
  const at = "2026-01-01T00:00:00.100Z";
  expect(framesOf(decision).at(-1)).toEqual({
    type: "agent.status",
    agentId: decision.state.agent.id,
    status,
    outcome,
    lastHeartbeatAt: at,
  });
  expect(rowsOf(decision, "agents")).toContainEqual(
    expect.objectContaining({ status, lastHeartbeatAt: at }),
  );
});

test("an agent with another live run stays running; a gated one is not touched [O7]", () => {
  const other = runOf("running", { id: idOf("other") });
  const busy = withRun(running, { runs: [running, other] });
  expect(decided(busy, finish({ exitCode: 1 })).state.agent.status).toBe("running");
  for (const status of ["paused", "terminated"] as const) {
    const gated = withRun(running, { agent: agentOf({ status }).agent });
    expect(decided(gated, finish({})).state.agent.status).toBe(status);
  }
});

test("status, event, agent: told in this order, and all of it is one decision [O8] [B25]", () => {
  const issueId = idOf("issue");
  const run = runOf("running", { issueId, taskKey: issueId });
  const decision = finished({ costUsd: 1, sessionId: "s" }, run);
  expect(framesOf(decision).map(({ type }) => type)).toEqual([
    "heartbeat.run.status",
    "heartbeat.run.event",
    "agent.status",
  ]);
  expect(new Set(decision.rows.map(({ table }) => table))).toEqual(
    new Set([
      "runEnds",
      "wakes",
      "events",
      "taskSessions",
      "runtimeStates",
      "costs",
      "agents",
      "issues",
    ]),
  );
});

test("a log that could not be kept whole turns no success into a failure [B24]", () => {
  const log = { bytes: 0, sha256: "a".repeat(64), cut: "the stream of logs is full" };
  expect(rowsOf(finished({}, running, { log }), "runEnds")).toMatchObject([
    { status: "succeeded", logBytes: 0, logCut: "the stream of logs is full" },
  ]);
});

test("terminal is final: whatever comes after the end changes nothing [B9]", () => {
  const over = finished({ exitCode: 1 }).state;
  const late: MailboxMessage[] = [
    finish({}),
    { kind: "run.lost", body: { ...reportOf(running), reason: "deadline" } },
    { kind: "cancel", body: { runId: running.id, reason: "late", actorType: "user" } },
    { kind: "run.reported", body: { runId: running.id, attempt: 1, final: true, patch: {} } },
  ];
  for (const message of late) {
    const decision = decided(over, message);
    expect(decision.rows, message.kind).toEqual([]);
    expect(decision.state).toBe(over);
  }
});

test("events are numbered by the actor alone, the last one with the end [B8]", () => {
  const event = { eventType: "adapter.invoke", at: "2026-01-01T00:00:00.000Z" };
  const decision = finished({}, running, { events: [event] });
  expect(rowsOf(decision, "events").map(({ seq, message }) => ({ seq, message }))).toEqual([
    { seq: 2, message: null },
    { seq: 3, message: "run succeeded" },
  ]);
  expect(rowsOf(decision, "runEnds")).toMatchObject([{ lastEventSeq: 3 }]);
});

test("excerpts keep the last 32 Ki characters, and no half of one [E11] [B33]", () => {
  const stdoutExcerpt = `${"a".repeat(100)}😀${"b".repeat(32 * 1024 - 1)}`;
  const stderrExcerpt = "e".repeat(40_000);
  const [row] = rowsOf(finished({}, running, { stdoutExcerpt, stderrExcerpt }), "runEnds");
  expect(row?.["stdoutExcerpt"]).toBe("b".repeat(32 * 1024 - 1));
  expect(row?.["stderrExcerpt"]).toBe("e".repeat(32 * 1024));
});

test("so is what an event carries [B33]", () => {
  const payload = { prompt: "x".repeat(200_000) };
  const event = { eventType: "adapter.invoke", at: "2026-01-01T00:00:00.000Z", payload };
  const decision = finished({}, running, { events: [event] });
  expect(JSON.stringify(rowsOf(decision, "events")[0]).length).toBeLessThan(64 * 1024);
});

test("a result that is too large is stored cut, and says so [B33]", () => {
  const resultJson = { stdout: "x".repeat(200_000) };
  const [row] = rowsOf(finished({ resultJson }), "runEnds");
  expect(JSON.stringify(row?.["resultJson"]).length).toBeLessThan(64 * 1024);
  expect(row?.["resultJson"]).toMatchObject({ _cut: {} });
});

const report = (body: Json, run = running): MailboxMessage => ({
  kind: "run.reported",
  body: { runId: run.id, attempt: run.attempt, final: false, patch: {}, ...body },
});

test("what the agent itself reports is merged into its end", () => {
  const first = decided(withRun(running), report({ patch: { summary: "half", sessionId: "s" } }));
  const usage = { inputTokens: 7, outputTokens: 0, cachedInputTokens: 0 };
  const second = decided(first.state, report({ patch: { summary: "done", usage, costUsd: 0.25 } }));
  expect(rowsOf(second, "runs")).toMatchObject([
    { reported: { current: { usage, costUsd: 0.25 }, patch: { summary: "done", sessionId: "s" } } },
  ]);
  const decision = decided(second.state, finish({}, second.state.runs[0]));
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    {
      status: "succeeded",
      resultJson: { summary: "done" },
      sessionIdAfter: "s",
      usageJson: { inputTokens: 7, costUsd: 0.25 },
    },
  ]);
  expect(rowsOf(decision, "costs")).toMatchObject([{ costMicros: 250_000, inputTokens: 7 }]);
});

test("a reported error fails the run", () => {
  const state = decided(withRun(running), report({ patch: { errorCode: "auth" } })).state;
  expect(rowsOf(decided(state, finish({}, state.runs[0])), "runEnds")).toMatchObject([
    { status: "failed", errorCode: "auth", error: "The agent reported a failure" },
  ]);
});

test.each([
  ["another attempt", { attempt: 2 }],
  ["an unknown run", { runId: idOf("unknown") }],
])("a report of %s changes nothing", (_, fields) => {
  const state = withRun(running);
  const decision = decided(state, report(fields));
  expect(decision).toMatchObject({ rows: [], effects: [], outcome: "stale" });
  expect(decision.state).toBe(state);
});

test("the final word is passed to the runner, unless the run is being cancelled", () => {
  const decision = decided(withRun(running), report({ final: true, patch: { summary: "done" } }));
  expect(decision.state.runs).toMatchObject([{ finishRequested: true, phase: "running" }]);
  expect(effectsOf(decision, "control")).toMatchObject([{ order: "finish", runId: running.id }]);
  const cancelling = runOf("cancelling");
  const late = decided(withRun(cancelling), report({ final: true }, cancelling));
  expect(effectsOf(late, "control")).toEqual([]);
  expect(late.state.runs).toMatchObject([{ finishRequested: false }]);
});

test("a run that has said its final word is not repeated when its runner is lost: it ends by that word", () => {
  const said = decided(withRun(running), report({ final: true, patch: { summary: "done" } })).state;
  const decision = decided(said, {
    kind: "run.lost",
    body: { ...reportOf(running), reason: "runner_gone" },
  });
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { status: "succeeded", exitCode: null, resultJson: { summary: "done" } },
  ]);
  expect(effectsOf(decision, "dispatch")).toEqual([]);
});

test("what a lost attempt said of its result is void for the next", () => {
  const said = decided(
    withRun(running),
    report({ patch: { errorMessage: "no", costUsd: 1 } }),
  ).state;
  const decision = decided(said, {
    kind: "run.lost",
    body: { ...reportOf(running), reason: "runner_gone" },
  });
  expect(decision.state.runs).toMatchObject([
    { attempt: 2, reported: { carried: { costUsd: 1 }, current: null, patch: {} } },
  ]);
});
