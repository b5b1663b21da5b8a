// Given how a run ended, when is it tried again: policy, time, chain of runs, and what ends the chain.
import { deriveId } from "@reveille/shared/protocol/ids";
import { isoTime } from "@reveille/shared/protocol/time";
import { describe, expect, test } from "vitest";
import { readRetryPolicy, retryDelayMs } from "./retry-policy.js";
import type { AgentState, Json, RunState } from "./state.js";
import {
  agentOf,
  finishOf,
  idOf,
  inputsOf,
  reportOf,
  runOf,
  startMs,
  wakeOf,
} from "./testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";

const minuteMs = 60_000;
const endMs = startMs + 5_000;
const twice = { on: ["timeout", "transient", "quota"], max: 2, baseSec: 60, factor: 2, jitter: 0 };
const agent = (retry: Json = twice, heartbeat: Json = {}): AgentState =>
  agentOf({ retry, heartbeat });
const having = (state: AgentState, ...runs: RunState[]): AgentState => ({ ...state, runs });
const retryId = deriveId("retry", idOf("run"));

const finish = (state: AgentState, result: Json, run = state.runs[0]!) =>
  decided(
    state,
    { kind: "run.finished", body: { ...reportOf(run), ...finishOf(result) } },
    { place: { atMs: endMs } },
  );
const retryDue = (state: AgentState, dueAtMs: number, atMs = dueAtMs + 3) =>
  decided(
    state,
    { kind: "timer", body: { id: "retry:1", dueAtMs, timer: "retry" } },
    { place: { atMs } },
  );
const by = { actorType: "user" } as const;
const timedOut = { exitCode: null, timedOut: true };
/** One run failed, its retry waits. */
const delayed = finish(having(agent(), runOf("running", { taskKey: "t" })), timedOut);

describe("which failures", () => {
  test.each([
    [timedOut, true],
    [{ exitCode: 1, transient: true }, true],
    [{ exitCode: 1, errorCode: "quota" }, true],
    [{ exitCode: 1 }, false],
    [{ exitCode: 1, errorCode: "auth" }, false],
    [{ exitCode: 0 }, false],
  ])("%j is tried again: %s", (result, again) => {
    const { state } = finish(having(agent(), runOf("running")), result);
    expect(state.runs.map(({ id }) => id)).toEqual(again ? [retryId] : []);
  });
  test("`failed` stands for all of them", () => {
    const state = having(agent({ ...twice, on: ["failed"] }), runOf("running"));
    expect(finish(state, { exitCode: 1 }).state.runs).toHaveLength(1);
  });
  test("by default none is", () => {
    expect(finish(having(agentOf(), runOf("running")), timedOut).state.runs).toEqual([]);
  });
  test.each([
    ["that was to be cancelled", agent(), runOf("cancelling")],
    [
      "of a paused agent",
      { ...agent(), agent: { ...agent().agent, status: "paused" as const } },
      runOf("running"),
    ],
    ["that is the last of its chain", agent(), runOf("running", { retryNumber: 2 })],
  ])("a run %s is not", (_, state, run) => {
    const decision = finish(having(state, run), timedOut);
    expect(decision.state.runs).toEqual([]);
    expect(rowsOf(decision, "wakes")[0]).toHaveProperty("finishedAt");
  });
});

describe("the chain", () => {
  test("a retry is a new run of the same wake, which stays open", () => {
    expect(rowsOf(delayed, "runEnds")).toMatchObject([{ id: idOf("run"), status: "timed_out" }]);
    expect(rowsOf(delayed, "runs")).toMatchObject([
      {
        id: retryId,
        status: "queued",
        phase: "queued",
        retryOfRunId: idOf("run"),
        retryNumber: 1,
        notBefore: isoTime(endMs + minuteMs),
        wakeupRequestId: idOf("request"),
        taskKey: "t",
        contextSnapshot: { retryOfRunId: idOf("run"), retryNumber: 1 },
      },
    ]);
    const [wake] = rowsOf(delayed, "wakes");
    expect(wake).toMatchObject({ status: "queued", runId: retryId });
    expect(wake).not.toHaveProperty("finishedAt");
    expect(wake).not.toHaveProperty("error");
  });
  test("the closing event of the run that failed names it", () => {
    expect(rowsOf(delayed, "events").at(-1)).toMatchObject({
      message: "run timed_out",
      payload: { retryRunId: retryId, retryAt: isoTime(endMs + minuteMs) },
    });
  });
  test("agent and heap of timers know when it is due", () => {
    const dueAtMs = endMs + minuteMs;
    expect(delayed.state.agent.nextRetryAtMs).toBe(dueAtMs);
    expect(rowsOf(delayed, "agents")).toContainEqual({
      id: idOf("ada"),
      nextRetryAt: isoTime(dueAtMs),
      retryChanged: true,
    });
    expect(effectsOf(delayed, "set-timer")).toMatchObject([{ timer: "retry", dueAtMs }]);
  });
  test("it holds up nothing: the slot goes to the next in the queue", () => {
    const next = runOf("queued", { id: idOf("next"), taskKey: "u" });
    const decision = finish(having(agent(), runOf("running"), next), timedOut);
    expect(decision.state.runs).toMatchObject([
      { id: next.id, phase: "dispatched" },
      { id: retryId, phase: "queued" },
    ]);
  });
  test("when it is due it is dispatched, and nothing is due any more", () => {
    const due = retryDue(delayed.state, endMs + minuteMs);
    expect(due.state.runs).toMatchObject([{ id: retryId, phase: "dispatched", attempt: 1 }]);
    expect(effectsOf(due, "dispatch")).toHaveLength(1);
    expect(due.state.agent.nextRetryAtMs).toBeNull();
    expect(effectsOf(due, "set-timer")).toMatchObject([{ timer: "retry", dueAtMs: null }]);
  });
  test("a stream whose clock is behind does not send it back to sleep", () => {
    const dueAtMs = endMs + minuteMs;
    const due = retryDue(delayed.state, dueAtMs, dueAtMs - 500);
    expect(due.state.runs).toMatchObject([{ phase: "dispatched" }]);
  });
  test("without a slot it waits like any other, and needs no timer", () => {
    const busy = having(
      delayed.state,
      runOf("running", { id: idOf("other") }),
      ...delayed.state.runs,
    );
    const due = retryDue(busy, endMs + minuteMs);
    expect(due.state.runs[1]).toMatchObject({ phase: "queued" });
    expect(due.state.agent.nextRetryAtMs).toBeNull();
    const other = due.state.runs[0]!;
    const ended = decided(
      due.state,
      { kind: "run.finished", body: { ...reportOf(other), ...finishOf() } },
      { place: { atMs: endMs + 2 * minuteMs } },
    );
    expect(ended.state.runs).toMatchObject([{ id: retryId, phase: "dispatched" }]);
  });
  test("whatever else is decided after its moment, its timer stands until it has come", () => {
    const busy = having(
      delayed.state,
      runOf("running", { id: idOf("other") }),
      ...delayed.state.runs,
    );
    const body = { ...reportOf(busy.runs[0]!), progressId: 1, events: [] };
    const atMs = endMs + 2 * minuteMs;
    const decision = decided(busy, { kind: "run.progress", body }, { place: { atMs } });
    expect(decision.state.agent.nextRetryAtMs).toBe(endMs + minuteMs);
    expect(effectsOf(decision, "set-timer")).toEqual([]);
  });
  test("a timer of another moment is stale", () => {
    const stale = retryDue(delayed.state, endMs + 1);
    expect(stale).toMatchObject({ outcome: "stale", rows: [], effects: [] });
  });
  test("the wake closes with the last of the chain", () => {
    const second = runOf("running", { id: retryId, retryOfRunId: idOf("run"), retryNumber: 1 });
    const decision = finish(having(delayed.state, second), { exitCode: 0 });
    expect(rowsOf(decision, "wakes")).toMatchObject([{ status: "completed", error: null }]);
  });
  test("two delayed runs: the earlier one is what the agent waits for", () => {
    const later = runOf("queued", { id: idOf("later"), notBeforeMs: endMs + 10 * minuteMs });
    const decision = finish(having(agent(), runOf("running"), later), timedOut);
    expect(decision.state.agent.nextRetryAtMs).toBe(endMs + minuteMs);
    const due = retryDue(decision.state, endMs + minuteMs);
    expect(due.state.agent.nextRetryAtMs).toBe(endMs + 10 * minuteMs);
  });
  test("a lost attempt is repeated in the same run; a run that is lost again may be tried again", () => {
    const state = having(agent({ on: ["process_lost"], max: 1 }), runOf("running"));
    const lose = (given: AgentState) =>
      decided(given, {
        kind: "run.lost",
        body: { ...reportOf(given.runs[0]!), reason: "runner_gone" },
      });
    const again = lose(state);
    expect(again.state.runs).toMatchObject([{ id: idOf("run"), attempt: 2, losses: 1 }]);
    const lost = lose(having(again.state, runOf("running", { attempt: 2, losses: 1 })));
    expect(lost.state.runs).toMatchObject([{ id: retryId, retryNumber: 1, attempt: 0, losses: 0 }]);
    const none = lose(having(agent({ lost: 0 }), runOf("running")));
    expect(none.state.runs).toEqual([]);
  });
});

describe("what meets a run that waits for its time", () => {
  const wake = (source: "on_demand" | "automation", fields: Json = {}) =>
    decided(delayed.state, wakeOf({ source, contextSnapshot: { taskKey: "t", ...fields } }), {
      place: { atMs: endMs + 1_000 },
    });
  test("a wake of the same scope joins it, a comment too: its context has not gone out", () => {
    const joined = wake("automation", { commentId: "c" });
    expect(joined.verdict).toMatchObject({ outcome: "coalesced", run: { id: retryId } });
    expect(joined.state.runs).toMatchObject([
      { phase: "queued", context: { wakeCommentIds: ["c"] } },
    ]);
    expect(joined.state.agent.nextRetryAtMs).toBe(endMs + minuteMs);
  });
  test("somebody who asks for it by hand gets it at once", () => {
    const joined = wake("on_demand");
    expect(joined.verdict).toMatchObject({ outcome: "coalesced", run: { id: retryId } });
    expect(joined.state.runs).toMatchObject([{ id: retryId, phase: "dispatched" }]);
    expect(joined.state.agent.nextRetryAtMs).toBeNull();
  });
  test("a wake of another scope passes it", () => {
    const other = decided(delayed.state, wakeOf({ contextSnapshot: { taskKey: "u" } }), {
      place: { atMs: endMs + 1_000 },
    });
    expect(other.state.runs).toMatchObject([
      { id: retryId, phase: "queued" },
      { phase: "dispatched" },
    ]);
  });
  test.each([
    ["cancel", { kind: "cancel", body: { runId: retryId, reason: "enough", ...by } }],
    ["pause", { kind: "pause", body: by }],
    ["cancel-all", { kind: "cancel-all", body: by }],
    ["delete", { kind: "delete", body: by }],
  ] as const)("%s ends the chain, and with it the wake", (_, message) => {
    const decision = decided(delayed.state, message, { place: { atMs: endMs + 1_000 } });
    expect(decision.state.runs).toEqual([]);
    expect(rowsOf(decision, "wakes")).toMatchObject([{ id: idOf("request"), status: "cancelled" }]);
    expect(decision.state.agent.nextRetryAtMs).toBeNull();
  });
});

describe("when", () => {
  const delays = (policy: Json, id = "80000000-0000-8000-8000-000000000000") =>
    [0, 1, 2, 3].map((n) => retryDelayMs(readRetryPolicy({ retry: policy }), n, id) / 1_000);
  test("it grows from try to try up to a limit", () => {
    expect(delays({})).toEqual([120, 480, 1_920, 7_200]);
    expect(delays({ baseSec: 1, factor: 3, maxSec: 10 })).toEqual([1, 3, 9, 10]);
    expect(delays({ baseSec: 0 })).toEqual([0, 0, 0, 0]);
  });
  test("the jitter follows from the id: the same again, and within its share", () => {
    expect(delays({ baseSec: 100 }, "00000000-0")[0]).toBe(75);
    expect(delays({ baseSec: 100 }, "ffffffff-0")[0]).toBeCloseTo(125, 3);
    expect(delays({ baseSec: 100, jitter: 0 }, "ffffffff-0")[0]).toBe(100);
  });
  test("the adapter may ask for more time, never for less", () => {
    const at = (retryNotBefore: string) =>
      finish(having(agent(), runOf("running")), { ...timedOut, retryNotBefore }).state.runs[0]
        ?.notBeforeMs;
    expect(at(isoTime(endMs + 10 * minuteMs))).toBe(endMs + 10 * minuteMs);
    expect(at(isoTime(endMs + 1))).toBe(endMs + minuteMs);
    expect(at("2026-02-01T01:00:00+01:00")).toBeUndefined(); // a month: no failure that passes
  });
});

describe("equal failures in a row", () => {
  const policy = { pauseAfterFailures: 2 };
  const failed = (state: AgentState, errorCode: string, others: RunState[] = []) =>
    finish(having(state, runOf("running"), ...others), { exitCode: 1, errorCode });
  test("are counted by their code; success forgets them", () => {
    const once = failed(agent({}), "auth");
    expect(once.state.agent.failure).toEqual({ code: "auth", count: 1 });
    const two = failed(once.state, "auth");
    expect(two.state.agent).toMatchObject({ status: "error", failure: { count: 2 } });
    expect(rowsOf(two, "agents")).toContainEqual(
      expect.objectContaining({ failureChanged: true, failureCode: "auth", failureCount: 2 }),
    );
    expect(failed(two.state, "quota").state.agent.failure).toEqual({ code: "quota", count: 1 });
    const well = finish(having(two.state, runOf("running")), { exitCode: 0 });
    expect(well.state.agent.failure).toBeNull();
  });
  test("pause the agent with the reason, and end what is queued", () => {
    const queued = runOf("queued", { id: idOf("next"), taskKey: "u" });
    const once = failed(agent(policy), "auth");
    const paused = failed(once.state, "auth", [queued]);
    expect(paused.state.agent).toMatchObject({
      status: "paused",
      pauseReason: "paused after 2 equal failures in a row: auth",
    });
    expect(paused.state.runs).toEqual([]);
    expect(rowsOf(paused, "runEnds").at(-1)).toMatchObject({
      id: queued.id,
      status: "cancelled",
      error: "paused after 2 equal failures in a row: auth",
    });
  });
  test("there is no retry for what pauses", () => {
    const once = failed(agent({ ...policy, on: ["auth"], max: 0 }), "auth");
    const state = { ...once.state, policy: agent({ ...policy, on: ["auth"], max: 5 }).policy };
    const paused = failed(state, "auth");
    expect(paused.state.runs).toEqual([]);
    expect(rowsOf(paused, "runs")).toEqual([]);
  });
  test("a resume begins to count anew, and clears the reason", () => {
    const paused = failed(failed(agent(policy), "auth").state, "auth");
    const resumed = decided(paused.state, { kind: "resume", body: by });
    expect(resumed.state.agent).toMatchObject({ status: "idle", pauseReason: null, failure: null });
    expect(rowsOf(resumed, "agents")).toContainEqual({
      id: idOf("ada"),
      pauseChanged: true,
      failureChanged: true,
    });
    expect(failed(resumed.state, "auth").state.agent.status).toBe("error");
  });
  test("cancelled runs say nothing", () => {
    const once = failed(agent(policy), "auth");
    const cancelled = finish(having(once.state, runOf("cancelling")), { exitCode: null });
    expect(cancelled.state.agent.failure).toEqual({ code: "auth", count: 1 });
  });
});

test("a retry that is due asks for the lock of its issue like any queued run [I2]", () => {
  const issueId = idOf("issue");
  const run = runOf("queued", { id: retryId, issueId, notBeforeMs: endMs });
  const state = having({ ...agent(), agent: { ...agent().agent, nextRetryAtMs: endMs } }, run);
  const message = {
    kind: "timer",
    body: { id: "retry:1", dueAtMs: endMs, timer: "retry" },
  } as const;
  const waiting = decided(state, message, {
    inputs: inputsOf({ issues: [issueId], locks: { [retryId]: "waiting" } }),
    place: { atMs: endMs },
  });
  expect(waiting.state.runs).toMatchObject([{ phase: "waiting", holdsIssue: false }]);
});
