// Sessions: what a run is given, what it leaves, and what a reset forgets.
import { expect, test } from "vitest";
import { keepAdapterType, sessionAfter, sessionFor, sessionIdBefore } from "./session.js";
import { Draft } from "./draft.js";
import { sessionKey } from "./state.js";
import type { AgentState, Json, RunState } from "./state.js";
import {
  agentOf,
  companyId,
  deliver,
  finishOf,
  idOf,
  inputsOf,
  reportOf,
  resultOf,
  runOf,
  waitOf,
  wakeOf,
} from "./testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";
import { runIdOfWake } from "@reveille/shared/protocol/ids";
import type { Session } from "@reveille/shared/protocol/session";

const taskKey = "task";
const withSession = (
  session: Session | null | undefined,
  fields: { type?: string; sessionId?: string | null; runs?: RunState[] } = {},
): AgentState => {
  const state = agentOf({ status: "running" });
  const adapterType = fields.type ?? "process";
  return {
    ...state,
    agent: { ...state.agent, adapterType },
    sessionId: fields.sessionId ?? null,
    runs: fields.runs ?? [],
    taskSessions: new Map(
      session === undefined ? [] : [[sessionKey(adapterType, taskKey), session]],
    ),
  };
};
const running = runOf("running", { taskKey });
const after = (result: Json, before: Session | null, type = "process", run = running) =>
  sessionAfter(withSession(before, { type, sessionId: "wide" }), run, resultOf(result));
const finished = (state: AgentState, result: Json, run = running) =>
  decided(
    { ...state, runs: [run] },
    { kind: "run.finished", body: { ...reportOf(run), ...finishOf(result) } },
  );
const kept: Session = { params: { sessionId: "a", cwd: "/w" }, displayId: "shown" };

test("a run of a task gets the session of its task, under the agent's adapter type [E3] [E4]", () => {
  const state = withSession(kept, { sessionId: "wide" });
  expect(sessionFor(state, running)).toEqual({ id: "a", ...kept });
  const other = { ...state, agent: { ...state.agent, adapterType: "claude_local" } };
  expect(sessionFor(other, running)).toBeNull();
});

test("a run of a task never gets the agent-wide session; one without a task gets nothing else [E3]", () => {
  expect(sessionFor(withSession(null, { sessionId: "wide" }), running)).toBeNull();
  const wide = withSession(kept, { sessionId: "w".repeat(200) });
  const without = runOf("running");
  expect(sessionFor(wide, without)).toEqual({
    id: "w".repeat(200),
    params: null,
    displayId: "w".repeat(128),
  });
  expect(sessionFor(withSession(kept), without)).toBeNull();
});

test.each([
  ["its display id", { params: { sessionId: "a" }, displayId: "shown" }, "shown"],
  ["what the codec shows", { params: { sessionId: "a" }, displayId: null }, "a"],
  ["nothing of parameters without an id", { params: { thread: "t" }, displayId: null }, null],
  [
    "at most 128 characters",
    { params: { sessionId: "x".repeat(200) }, displayId: null },
    "x".repeat(128),
  ],
  ["nothing without a session", null, null],
] as const)("the session before a run of a task is shown as %s [T8]", (_, session, expected) => {
  expect(sessionIdBefore(withSession(session), running)).toBe(expected);
});

test("a wake takes the session as read, and the run carries it from its queueing on [T8]", () => {
  const state = withSession(undefined, { sessionId: "wide", runs: [runOf("running")] });
  const message = wakeOf({ contextSnapshot: { taskKey } });
  const decision = decided(state, message, { inputs: inputsOf({ taskSession: kept }) });
  expect(rowsOf(decision, "runs")).toMatchObject([{ sessionIdBefore: "shown" }]);
  expect(decision.state.taskSessions.get(sessionKey("process", taskKey))).toEqual(kept);
  const plain = decided({ ...state, runs: [] }, wakeOf());
  expect(rowsOf(plain, "runs")).toMatchObject([{ sessionIdBefore: "wide" }]);
});

test("what the state knows of a task stands above what was read for the batch [T8]", () => {
  const message = wakeOf({ contextSnapshot: { taskKey } });
  const stale = { params: { sessionId: "old" }, displayId: "old" };
  const decision = decided(withSession(kept), message, {
    inputs: inputsOf({ taskSession: stale }),
  });
  expect(rowsOf(decision, "runs")).toMatchObject([{ sessionIdBefore: "shown" }]);
});

test("a deferred wake keeps the session of its task for the run that it becomes [E3]", () => {
  const issueId = idOf("issue");
  const wait = waitOf(issueId, { taskKey });
  const { runId, requestId: wakeId } = wait;
  const waiting = { ...withSession(kept), waits: [wait] };
  const body = { issueId, runId, wakeId };
  const inputs = inputsOf({ issues: [issueId], locks: { [runId]: "held" } });
  const granted = decided(waiting, { kind: "grant", body }, { inputs });
  expect(effectsOf(granted, "dispatch")).toMatchObject([
    { execution: { session: { id: "a", params: kept.params, displayId: "shown" } } },
  ]);
});

test("a wake that has to wait for its issue brings the session of its task into the state [E3]", () => {
  const issueId = idOf("issue");
  const message = wakeOf({ contextSnapshot: { issueId } });
  const runId = runIdOfWake(companyId, withSession(null).agent.id, "wake-1");
  const locks = { [runId]: "waiting" } as const;
  const decision = decided(withSession(undefined), message, {
    inputs: inputsOf({ issues: [issueId], taskSession: kept, locks }),
  });
  expect(decision.state.waits).toHaveLength(1);
  expect(decision.state.taskSessions.get(sessionKey("process", issueId))).toEqual(kept);
});

test("at its dispatch a run gets the freshest session of its task, and its row says so [E4]", () => {
  const next = runOf("queued", { id: idOf("next"), taskKey, sessionIdBefore: "shown" });
  const state = { ...withSession(kept), runs: [running, next] };
  const decision = decided(state, {
    kind: "run.finished",
    body: { ...reportOf(running), ...finishOf({ sessionId: "newer" }) },
  });
  expect(effectsOf(decision, "dispatch")).toMatchObject([
    { execution: { runId: next.id, session: { id: "newer", displayId: "newer" } } },
  ]);
  expect(rowsOf(decision, "runs")).toMatchObject([{ id: next.id, sessionIdBefore: "newer" }]);
});

test("clearing leaves nothing: no parameters, no display id, no agent-wide id [S1]", () => {
  const result = { clearSession: true, sessionId: "b", sessionParams: { sessionId: "b" } };
  expect(after(result, kept)).toMatchObject({ session: null, agentWide: null });
  const decision = finished(withSession(kept, { sessionId: "a" }), result);
  expect(rowsOf(decision, "taskSessions")).toEqual([
    expect.objectContaining({ adapterType: "process", taskKey }),
  ]);
  expect(decision.rows.find(({ table }) => table === "taskSessions")?.op).toBe("delete");
  expect(rowsOf(decision, "runtimeStates")).toMatchObject([{ sessionId: null }]);
  expect(rowsOf(decision, "runEnds")).toMatchObject([{ sessionIdAfter: null }]);
});

test("a result that names no session keeps what was [S2]", () => {
  expect(after({}, kept)).toMatchObject({ session: kept, agentWide: "a" });
  expect(after({}, null)).toMatchObject({ session: null, agentWide: "wide" });
  expect(after({}, null, "process", runOf("running"))).toMatchObject({ agentWide: "wide" });
});

test.each([
  [{ sessionParams: { sessionId: "p" }, sessionId: "i" }, { sessionId: "p" }],
  [{ sessionParams: null, sessionId: "i" }, null],
  [{ sessionParams: {}, sessionId: "i" }, null],
])("parameters stand above an id, even when they are null: %j [S3] [S5]", (result, params) => {
  expect(after(result, kept).session?.params ?? null).toEqual(params);
});

test("an id alone becomes the parameters, and a blank one is none [S4]", () => {
  expect(after({ sessionId: "b" }, kept)).toMatchObject({
    session: { params: { sessionId: "b" }, displayId: "b" },
    agentWide: "b",
  });
  expect(after({ sessionId: " " }, kept)).toMatchObject({ session: null, agentWide: null });
});

test("parameters are kept as their codec keeps them [S5] [S10] [S11]", () => {
  const params = { session_id: "s", workdir: "/w", extra: 1 };
  expect(after({ sessionParams: params }, null).session?.params).toEqual(params);
  expect(after({ sessionParams: params }, null, "claude_local").session).toEqual({
    params: { sessionId: "s", cwd: "/w" },
    displayId: "s",
  });
});

test.each([
  ["what is said", { sessionDisplayId: "d", sessionParams: { sessionId: "p" } }, kept, "d"],
  ["what the codec shows", { sessionParams: { sessionId: "p" }, sessionId: "i" }, kept, "p"],
  ["what was, when nothing is said", {}, { params: { thread: 1 }, displayId: "shown" }, "shown"],
  ["the id, last of all", { sessionParams: { thread: 1 }, sessionId: "i" }, kept, "i"],
  ["128 characters of it", { sessionDisplayId: "d".repeat(200) }, null, "d".repeat(128)],
] as const)("the display id is %s [S6]", (_, result, before, expected) => {
  expect(after(result, before).session?.displayId).toBe(expected);
});

test.each([
  ["the id", { sessionId: "i", sessionParams: { sessionId: "p" }, sessionDisplayId: "d" }, "i"],
  ["that of the parameters", { sessionParams: { sessionId: "p" }, sessionDisplayId: "d" }, "p"],
  ["the display id", { sessionParams: { sessionId: 7 }, sessionDisplayId: "d" }, "d"],
  ["what it was", {}, "wide"],
] as const)("the agent-wide id becomes %s [S7]", (_, result, expected) => {
  expect(after(result, null).agentWide).toBe(expected);
});

test("the session of a task is kept after a failure, and marked with it [S8]", () => {
  const state = withSession(kept);
  const rows = (result: Json) => rowsOf(finished(state, result), "taskSessions");
  const row = { agentId: state.agent.id, taskKey, adapterType: "process", lastRunId: running.id };
  expect(rows({})).toMatchObject([{ ...row, ...kept, lastError: null }]);
  expect(rows({ exitCode: 1 })).toMatchObject([{ ...row, ...kept, lastError: "run_failed" }]);
  expect(rows({ exitCode: 1, errorMessage: "no", sessionId: "b" })).toMatchObject([
    { ...row, params: { sessionId: "b" }, displayId: "b", lastError: "no" },
  ]);
});

test("a task that never had a session and gets none leaves no row [S8]", () => {
  expect(rowsOf(finished(withSession(null), {}), "taskSessions")).toEqual([]);
});

test("parameters beyond their bound are not kept, and the session's row says so [B33]", () => {
  const sessionParams = { memory: "x".repeat(20_000) };
  const rows = (result: Json) => rowsOf(finished(withSession(kept), result), "taskSessions");
  expect(rows({ sessionParams, sessionDisplayId: "d" })).toMatchObject([
    { params: null, displayId: "d", lastError: expect.stringContaining("at most 16384") },
  ]);
});

test("without a task only the agent-wide id moves [S9]", () => {
  const decision = finished(withSession(kept), { sessionId: "b" }, runOf("running"));
  expect(rowsOf(decision, "taskSessions")).toEqual([]);
  expect(rowsOf(decision, "runtimeStates")).toMatchObject([{ sessionId: "b" }]);
  expect(rowsOf(decision, "runEnds")).toMatchObject([{ sessionIdAfter: "b" }]);
  expect(decision.state.sessionId).toBe("b");
});

test("an adapter that could not do its work keeps every session, and marks one that was there [O6]", () => {
  const result = { threw: true, exitCode: null, errorMessage: "not found", sessionId: "b" };
  const decision = finished(withSession(kept, { sessionId: "wide" }), result);
  expect(rowsOf(decision, "taskSessions")).toMatchObject([{ ...kept, lastError: "not found" }]);
  expect(decision.state.sessionId).toBe("wide");
  expect(rowsOf(decision, "runEnds")).toMatchObject([{ sessionIdAfter: null }]);
  expect(rowsOf(finished(withSession(null), result), "taskSessions")).toEqual([]);
});

test("a run under way ends under the adapter type that it was sent with [E3]", () => {
  const state = withSession(kept, { runs: [running] });
  const draft = new Draft(
    state,
    deliver(state, { kind: "configure", body: { actorType: "user" } }),
    inputsOf(),
  );
  keepAdapterType(draft);
  draft.changeAgent({ adapterType: "claude_local" });
  const decision = finished(draft.state, { sessionId: "b" }, draft.state.runs[0]);
  expect(rowsOf(decision, "taskSessions")).toMatchObject([
    { adapterType: "process", params: { sessionId: "b" } },
  ]);
});

const reset = (state: AgentState, key: string | null) =>
  decided(state, { kind: "reset-session", body: { taskKey: key, actorType: "user" } });

test("a reset of all forgets every session of the agent and its last error [S13]", () => {
  const decision = reset(withSession(kept, { sessionId: "wide" }), null);
  const { id: agentId, companyId } = decision.state.agent;
  expect(rowsOf(decision, "agentSessions")).toEqual([{ agentId, companyId }]);
  expect(rowsOf(decision, "runtimeStates")).toMatchObject([{ sessionId: null, lastError: null }]);
  expect(decision.state.sessionId).toBeNull();
  expect([...decision.state.taskSessions.values()]).toEqual([null]);
});

test("a reset of one task forgets that of the present adapter type, and the agent-wide one [S14]", () => {
  const state = withSession(kept, { sessionId: "wide" });
  const other = sessionKey("claude_local", taskKey);
  const both = { ...state, taskSessions: new Map([...state.taskSessions, [other, kept]]) };
  const decision = reset(both, taskKey);
  expect(rowsOf(decision, "taskSessions")).toMatchObject([{ adapterType: "process", taskKey }]);
  expect(rowsOf(decision, "agentSessions")).toEqual([]);
  expect(decision.state.taskSessions.get(other)).toEqual(kept);
  expect(decision.state.sessionId).toBeNull();
});

test("a reset leaves a running run alone, whose end says where its conversation stands [S13]", () => {
  const state = withSession(kept, { sessionId: "a", runs: [running] });
  const quiet = finished(reset(state, null).state, {});
  expect(reset(state, null).state.runs).toEqual([running]);
  expect(rowsOf(quiet, "taskSessions")).toEqual([]);
  const speaking = finished(reset(state, null).state, { sessionId: "b" });
  expect(rowsOf(speaking, "taskSessions")).toMatchObject([{ displayId: "b" }]);
});
