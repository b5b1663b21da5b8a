// Given an agent with something alive, what its commands do: gates, ends, and what opens again.
import { isoTime } from "@reveille/shared/protocol/time";
import { describe, expect, test } from "vitest";
import type { AgentState, AgentStatus, RunPhase, RunState } from "./state.js";
import {
  agentOf,
  finishOf,
  idOf,
  inputsOf,
  reportOf,
  runOf,
  startMs,
  waitOf,
  wakeOf,
} from "./testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";

const by = { actorType: "user" } as const;
const having = (status: AgentStatus, ...runs: RunState[]): AgentState => ({
  ...agentOf({ status, heartbeat: { maxConcurrentRuns: 2, intervalSec: 60 } }),
  runs,
});
const command = (
  state: AgentState,
  kind: "pause" | "resume" | "terminate" | "approve" | "cancel-all" | "admit" | "delete",
  reason?: string,
) => decided(state, { kind, body: { ...by, ...(reason ? { reason } : {}) } });
const live = (phase: RunPhase, fields: Partial<RunState> = {}) =>
  runOf(phase, { id: idOf(phase), taskKey: phase, ...fields });
const finish = (state: AgentState, run: RunState) =>
  decided(state, { kind: "run.finished", body: { ...reportOf(run), ...finishOf() } });

describe("pause and terminate", () => {
  test.each([
    ["pause", "paused"],
    ["terminate", "terminated"],
  ] as const)("%s cancels what is queued and what runs, by one path [X6] [B7]", (kind, status) => {
    const decision = command(
      having("running", live("running"), live("dispatched"), live("queued")),
      kind,
    );
    expect(decision.state.agent.status).toBe(status);
    expect(decision.state.runs).toMatchObject([{ id: idOf("running"), phase: "cancelling" }]);
    expect(rowsOf(decision, "runEnds")).toMatchObject([
      { id: idOf("dispatched"), status: "cancelled", error: "Cancelled due to agent pause" },
      { id: idOf("queued"), status: "cancelled", error: "Cancelled due to agent pause" },
    ]);
    expect(rowsOf(decision, "events").map(({ runId, level }) => [runId, level])).toEqual([
      [idOf("dispatched"), "warn"],
      [idOf("queued"), "warn"],
    ]);
    expect(effectsOf(decision, "control")).toMatchObject([{ runId: idOf("running") }]);
    expect(effectsOf(decision, "withdraw")).toMatchObject([{ runId: idOf("dispatched") }]);
  });
  test("a pause says why and since when", () => {
    const row = { status: "paused", pausedAt: isoTime(startMs + 100), pauseChanged: true };
    expect(rowsOf(command(having("idle"), "pause", "over lunch"), "agents")).toMatchObject([
      { ...row, pauseReason: "over lunch" },
    ]);
    expect(rowsOf(command(having("idle"), "pause"), "agents")).toMatchObject([
      { ...row, pauseReason: "manual" },
    ]);
  });
  test("a paused agent stays paused whatever its last run says [B19] [O7]", () => {
    const paused = command(having("running", live("running")), "pause");
    const ended = finish(paused.state, paused.state.runs[0]!);
    expect(ended.state.agent.status).toBe("paused");
    expect(rowsOf(ended, "runEnds")).toMatchObject([{ status: "cancelled" }]);
    expect(effectsOf(ended, "dispatch")).toEqual([]);
  });
  test("a go for a run that a pause has ended is refused [B19]", () => {
    const paused = command(having("idle", live("dispatched")), "pause");
    const body = { ...reportOf(live("dispatched")), runnerId: "runner" };
    const late = decided(paused.state, { kind: "run.started", body });
    expect(effectsOf(late, "answer")).toMatchObject([{ answer: "no" }]);
    expect(late.state.agent.status).toBe("paused");
  });
  test("deferred wakes stay through a pause", () => {
    const wait = waitOf(idOf("issue"));
    expect(command({ ...having("idle"), waits: [wait] }, "pause").state.waits).toEqual([wait]);
  });
  test("an agent that waits for approval is neither paused nor resumed, only approved", () => {
    for (const kind of ["pause", "resume"] as const)
      expect(command(having("pending_approval"), kind)).toMatchObject({
        outcome: "ignored",
        rows: [],
      });
    expect(command(having("pending_approval"), "approve").state.agent.status).toBe("idle");
    expect(command(having("paused"), "approve").outcome).toBe("ignored");
  });
  test("a terminated agent has no timer any more, and no way back", () => {
    const { state } = command(having("idle"), "terminate");
    expect(state.agent.nextTimerAtMs).toBeNull();
    for (const kind of ["pause", "resume", "approve"] as const)
      expect(command(state, kind).outcome).toBe("ignored");
    const configured = decided(state, {
      kind: "configure",
      body: { ...by, runtimeConfig: { heartbeat: { intervalSec: 5 } } },
    });
    expect(configured.state.agent.nextTimerAtMs).toBeNull();
  });
});

describe("resume", () => {
  test("the agent is idle again, the reason is gone, and nothing is started that nobody woke [X7]", () => {
    const paused = command(having("idle"), "pause", "over lunch").state;
    const resumed = command(paused, "resume");
    expect(resumed.state.agent).toMatchObject({ status: "idle", pauseReason: null });
    expect(rowsOf(resumed, "agents")).toContainEqual(
      expect.objectContaining({ pauseChanged: true }),
    );
    expect(effectsOf(resumed, "dispatch")).toEqual([]);
  });
  test("what was cancelled and still dies shows as running, and keeps its slot [B6]", () => {
    const paused = command(having("running", live("running")), "pause").state;
    expect(command(paused, "resume").state).toMatchObject({
      agent: { status: "running" },
      runs: [{ phase: "cancelling" }],
    });
  });
  test("deferred wakes go on: a grant after it is decided as ever", () => {
    const wait = waitOf(idOf("issue"));
    const paused = command({ ...having("idle"), waits: [wait] }, "pause").state;
    const { state } = command(paused, "resume");
    const granted = decided(
      state,
      { kind: "grant", body: { issueId: wait.issueId, runId: wait.runId, wakeId: wait.requestId } },
      { inputs: inputsOf({ issues: [wait.issueId], locks: { [wait.runId]: "held" } }) },
    );
    expect(granted.state.runs).toMatchObject([{ id: wait.runId, phase: "dispatched" }]);
  });
});

describe("cancel-all and admit", () => {
  test("cancel-all ends every run with its reason and leaves the agent as it is", () => {
    const decision = command(
      having("running", live("running"), live("queued")),
      "cancel-all",
      "stop",
    );
    expect(decision.state).toMatchObject({
      agent: { status: "running" },
      runs: [{ phase: "cancelling", cancel: { reason: "stop" } }],
    });
    expect(rowsOf(decision, "runEnds")).toMatchObject([{ status: "cancelled", error: "stop" }]);
    expect(command(having("idle"), "cancel-all").outcome).toBe("ignored");
  });
  test("admit looks at the queue again", () => {
    const decision = command(having("idle", live("queued")), "admit");
    expect(decision.state.runs).toMatchObject([{ phase: "dispatched" }]);
  });
});

describe("delete", () => {
  const deleted = (decision: { state: AgentState }) => decision.state.agent.deletedAtMs;
  test("an agent without a process is gone at once, with all that waits", () => {
    const wait = waitOf(idOf("issue"));
    const decision = command({ ...having("idle", live("queued")), waits: [wait] }, "delete");
    expect(deleted(decision)).toBe(startMs + 100);
    expect(decision.state).toMatchObject({ runs: [], waits: [] });
    expect(rowsOf(decision, "wakes")).toMatchObject([
      { id: wait.requestId, status: "failed", waits: false, owesRelease: true },
      { status: "cancelled" },
    ]);
    expect(effectsOf(decision, "release")).toMatchObject([
      { owner: "wake", issueId: wait.issueId },
    ]);
    expect(effectsOf(decision, "set-timer")).toMatchObject([{ timer: "heartbeat", dueAtMs: null }]);
    expect(rowsOf(decision, "agents").reduce((all, row) => ({ ...all, ...row }))).toMatchObject({
      status: "terminated",
      deleteRequestedAt: isoTime(startMs + 100),
      deletedAt: isoTime(startMs + 100),
    });
  });
  test("with a process it is gone in the very decision that ends the last one [B6]", () => {
    const asked = command(having("running", live("running"), live("cancelling")), "delete");
    expect(deleted(asked)).toBeNull();
    expect(effectsOf(asked, "control")).toHaveLength(2);
    expect(decided(asked.state, wakeOf()).verdict?.reason).toBe("agent_not_invokable");
    const one = finish(asked.state, asked.state.runs[0]!);
    expect(deleted(one)).toBeNull();
    const last = finish(one.state, one.state.runs[0]!);
    expect(deleted(last)).not.toBeNull();
    expect(rowsOf(last, "runEnds")).toHaveLength(1);
    expect(effectsOf(last, "answer")).toMatchObject([{ answer: "committed" }]);
  });
  test("a repeat tells the runners again and asks for nothing new", () => {
    const asked = command(having("running", live("running")), "delete");
    const again = command(asked.state, "delete");
    expect(effectsOf(again, "control")).toHaveLength(1);
    expect(rowsOf(again, "agents")).toEqual([]);
  });
  test("a lost process ends it too, and is not repeated", () => {
    const asked = command(having("running", live("running")), "delete");
    const body = { ...reportOf(asked.state.runs[0]!), reason: "runner_gone" } as const;
    expect(deleted(decided(asked.state, { kind: "run.lost", body }))).not.toBeNull();
  });
});
