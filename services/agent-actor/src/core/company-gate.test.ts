// A company that is paused or archived, or over its budget: nothing of it is woken or admitted, and nothing of it is lost.
import { describe, expect, test } from "vitest";
import type { AgentState, RunState } from "./state.js";
import {
  agentOf,
  idOf,
  inputsOf,
  reportOf,
  runOf,
  startMs,
  finishOf,
  waitOf,
  wakeOf,
} from "./testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";

const issueId = idOf("issue");
const having = (...runs: RunState[]): AgentState => ({
  ...agentOf({ heartbeat: { intervalSec: 60 } }),
  runs,
});
const closed = (status: string, known: Parameters<typeof inputsOf>[0] = {}) =>
  inputsOf({ ...known, company: { status } });

describe.each(["paused", "archived"])("a company that is %s", (status) => {
  test("wakes are refused with its status, and leave no request [B35]", () => {
    const decision = decided(having(), wakeOf(), { inputs: closed(status) });
    expect(decision.verdict).toMatchObject({
      outcome: "rejected",
      reason: "company_not_active",
      details: { status },
    });
    expect(decision.rows.map(({ table }) => table)).toEqual(["verdicts"]);
  });
  test("a timer goes on with its beat and leaves nothing [B35]", () => {
    const dueAtMs = startMs + 60_000;
    const body = { id: "timer:1", dueAtMs, timer: "heartbeat" } as const;
    const decision = decided(having(), { kind: "timer", body }, { inputs: closed(status) });
    expect(decision.rows.map(({ table }) => table)).toEqual(["agents"]);
    expect(decision.state.agent.nextTimerAtMs).toBe(dueAtMs + 60_000);
  });
  test("what is queued waits, and goes on when it is active again [B35]", () => {
    const state = having(runOf("running"), runOf("queued", { id: idOf("next"), taskKey: "next" }));
    const message = {
      kind: "run.finished",
      body: { ...reportOf(state.runs[0]!), ...finishOf() },
    } as const;
    const ended = decided(state, message, { inputs: closed(status) });
    // Should nobody tell it, it looks again by itself.
    expect(ended.state.agent.nextRetryAtMs).toBe(startMs + 100 + 60_000);
    expect(ended.state.runs).toMatchObject([{ id: idOf("next"), phase: "queued" }]);
    const open = decided(ended.state, { kind: "admit", body: { actorType: "user" } });
    expect(open.state.runs).toMatchObject([{ id: idOf("next"), phase: "dispatched" }]);
  });
  test("a granted wake keeps its turn as a queued run and passes the lock on [B16] [B35]", () => {
    const wait = waitOf(issueId);
    const decision = decided(
      { ...having(), waits: [wait] },
      { kind: "grant", body: { issueId, runId: wait.runId, wakeId: wait.requestId } },
      { inputs: closed(status, { issues: [issueId] }) },
    );
    expect(decision.state.runs).toMatchObject([{ id: wait.runId, phase: "queued" }]);
    expect(effectsOf(decision, "release")).toMatchObject([{ runId: wait.runId, owner: "run" }]);
  });
});

test("a company over its budget: wakes are refused, timers leave nothing [B35]", () => {
  const inputs = inputsOf({ company: { budgetMonthlyCents: 100, spentMicros: 1_000_000 } });
  expect(decided(having(), wakeOf(), { inputs }).verdict?.reason).toBe("company_budget_exceeded");
  const body = { id: "timer:1", dueAtMs: startMs + 60_000, timer: "heartbeat" } as const;
  const timer = decided(having(), { kind: "timer", body }, { inputs });
  expect(timer.rows.map(({ table }) => table)).toEqual(["agents"]);
});

test.each([
  [{ heartbeat: { wakeOnDemand: false } }, "heartbeat.wakeOnDemand.disabled"],
  [{ status: "paused" as const }, "Deferred wake could not be promoted: agent is not invokable"],
])("a promotion asks what an intake asks: %j [B16]", (options, error) => {
  const wait = waitOf(issueId);
  const decision = decided(
    { ...agentOf(options), waits: [wait] },
    { kind: "grant", body: { issueId, runId: wait.runId, wakeId: wait.requestId } },
    { inputs: inputsOf({ issues: [issueId] }) },
  );
  expect(rowsOf(decision, "wakes")).toMatchObject([{ status: "failed", error }]);
  expect(effectsOf(decision, "release")).toMatchObject([{ issueId }]);
});

test("an agent in error is promoted as it is woken [B16]", () => {
  const wait = waitOf(issueId);
  const decision = decided(
    { ...agentOf({ status: "error" }), waits: [wait] },
    { kind: "grant", body: { issueId, runId: wait.runId, wakeId: wait.requestId } },
    { inputs: inputsOf({ issues: [issueId], locks: { [wait.runId]: "held" } }) },
  );
  expect(decision.state.runs).toMatchObject([{ phase: "dispatched" }]);
});
