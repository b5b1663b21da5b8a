// Limits: who is stopped at them, with which words, and what goes on.
import { expect, test } from "vitest";
import type { MailboxMessage } from "./delivery.js";
import type { Cost } from "@reveille/shared/protocol/commands";
import { companyOverBudget } from "./budget.js";
import { Draft } from "./draft.js";
import { budgetReasons } from "./outcome.js";
import type { AgentState, RunState } from "./state.js";
import {
  agentOf,
  claimOf,
  deliver,
  finishOf,
  idOf,
  inputsOf,
  reportOf,
  runOf,
  wakeOf,
} from "./testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";

const usd = (costUsd: number) => ({ costUsd });
const queued = runOf("queued", { id: idOf("queued"), taskKey: "other" });
const running = runOf("running");
const withRuns = (runs: RunState[], fields: Partial<AgentState["agent"]> = {}): AgentState => {
  const state = agentOf({ status: runs.length > 0 ? "running" : "idle" });
  return { ...state, agent: { ...state.agent, budgetMonthlyCents: 100, ...fields }, runs };
};
const cost = (micros: number, fields: Partial<Cost> = {}) =>
  ({
    kind: "cost",
    body: {
      id: idOf("cost"),
      provider: "p",
      model: "m",
      inputTokens: 0,
      outputTokens: 0,
      cachedInputTokens: 0,
      costMicros: micros,
      occurredAt: "2026-01-01T00:00:00.000Z",
      actorType: "user",
      ...fields,
    },
  }) as const;
const progress = (run: RunState, costUsd: number, progressId = 1): MailboxMessage => ({
  kind: "run.progress",
  body: { ...reportOf(run), progressId, events: [], usage: usd(costUsd) },
});
const company = (spentMicros: number) =>
  inputsOf({ company: { budgetMonthlyCents: 100, spentMicros } });

test("a cost that reaches the limit pauses the agent, with the reason and the time [B26]", () => {
  const decision = decided(withRuns([]), cost(1_000_000));
  expect(rowsOf(decision, "costs")).toMatchObject([
    { id: idOf("cost"), costMicros: 1_000_000, costCents: 100, runId: null },
  ]);
  expect(rowsOf(decision, "agents")).toContainEqual(
    expect.objectContaining({ status: "paused", pauseReason: "budget", pauseChanged: true }),
  );
  expect(decision.state.agent).toMatchObject({ status: "paused", pauseReason: "budget" });
  expect(effectsOf(decision, "announce")).toMatchObject([
    { type: "agent.status", payload: { status: "paused" } },
  ]);
  const wake = decided(decision.state, wakeOf());
  expect(wake.verdict).toMatchObject({
    reason: "agent_not_invokable",
    details: { status: "paused" },
  });
});

test("a cost counts now, whatever its own date", () => {
  const decision = decided(withRuns([]), cost(1_000_000, { occurredAt: "2020-01-01T00:00:00Z" }));
  expect(decision.state.agent.status).toBe("paused");
  expect(decision.state.agent.spend).toEqual({ month: "2026-01", micros: 1_000_000 });
});

test("below the limit, or without one, nothing stops", () => {
  expect(decided(withRuns([]), cost(999_999)).state.agent.status).toBe("idle");
  const free = withRuns([], { budgetMonthlyCents: 0 });
  expect(decided(free, cost(1e12)).state.agent.status).toBe("idle");
});

test("a cost that is known writes nothing again [B25]", () => {
  const decision = decided(withRuns([]), cost(1_000_000), {
    inputs: inputsOf({ costKnown: true }),
  });
  expect(decision).toMatchObject({ rows: [], effects: [], outcome: "duplicate" });
});

test("at the limit the queue is cancelled with the reason, and what runs is stopped [B26]", () => {
  const decision = decided(withRuns([running, queued]), cost(1_000_000));
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    {
      id: queued.id,
      status: "cancelled",
      errorCode: "budget_exceeded",
      error: budgetReasons.agent,
    },
  ]);
  expect(decision.state.runs).toMatchObject([{ id: running.id, phase: "cancelling" }]);
  expect(effectsOf(decision, "control")).toMatchObject([
    { order: "cancel", runId: running.id, reason: budgetReasons.agent },
  ]);
  const over = decided(decision.state, {
    kind: "run.finished",
    body: { ...reportOf(running), ...finishOf({ costUsd: 0.5 }) },
  });
  expect(rowsOf(over, "runEnds")).toMatchObject([
    { status: "cancelled", errorCode: "budget_exceeded" },
  ]);
  expect(over.state.agent).toMatchObject({ status: "paused", spend: { micros: 1_500_000 } });
});

test("a running run that reports usage is stopped when that reaches the limit [B26]", () => {
  const spend = { month: "2026-01", micros: 400_000 };
  const below = decided(withRuns([running], { spend }), progress(running, 0.5));
  expect(below.state.agent.status).toBe("running");
  expect(rowsOf(below, "runs")).toMatchObject([{ reported: { current: { costUsd: 0.5 } } }]);
  const over = decided(below.state, progress(running, 0.6, 2));
  expect(over.state.agent).toMatchObject({ status: "paused", pauseReason: "budget", spend });
  expect(effectsOf(over, "control")).toMatchObject([{ order: "cancel", runId: running.id }]);
  expect(effectsOf(over, "answer")).toMatchObject([{ answer: "committed" }]);
});

test("what several live runs have reported counts together [B26]", () => {
  const other = runOf("running", { id: idOf("other"), taskKey: "other" });
  const state = withRuns([running, other]);
  const one = decided(state, progress(running, 0.6));
  const two = decided(one.state, progress(other, 0.4));
  expect(one.state.agent.status).toBe("running");
  expect(two.state.agent.status).toBe("paused");
  expect(two.state.runs.map(({ phase }) => phase)).toEqual(["cancelling", "cancelling"]);
});

test("the cost of a run's end is checked like any other, and frees no slot for the queue [B26]", () => {
  const decision = decided(withRuns([running, queued]), {
    kind: "run.finished",
    body: { ...reportOf(running), ...finishOf({ costUsd: 1 }) },
  });
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { id: running.id, status: "succeeded" },
    { id: queued.id, errorCode: "budget_exceeded" },
  ]);
  expect(effectsOf(decision, "dispatch")).toEqual([]);
  expect(decision.state.agent.status).toBe("paused");
});

test("an agent that is paused for another reason keeps that reason", () => {
  const state = withRuns([], { status: "paused", pauseReason: "by hand" });
  const decision = decided(state, cost(2_000_000));
  expect(decision.state.agent.pauseReason).toBe("by hand");
});

test("a raised limit and a resume let it go on; a resume alone until the next cost", () => {
  const paused = decided(withRuns([]), cost(1_000_000)).state;
  const raised = { ...paused, agent: { ...paused.agent, budgetMonthlyCents: 200 } };
  const resume = { kind: "resume", body: { actorType: "user" } } as const;
  const next = cost(1, { id: idOf("next cost") });
  expect(decided(decided(raised, resume).state, next).state.agent.status).toBe("idle");
  const still = decided(paused, resume).state;
  expect(still.agent.status).toBe("idle");
  expect(decided(still, next).state.agent.status).toBe("paused");
});

test("in another month it counts from nothing", () => {
  const spent = withRuns([], { spend: { month: "2025-12", micros: 5_000_000 } });
  expect(decided(spent, cost(1)).state.agent.status).toBe("idle");
});

test("a company at its limit stops the run that reports and the queue, and pauses no agent [B26] [B35]", () => {
  const other = runOf("running", { id: idOf("other"), taskKey: "third" });
  const state = withRuns([running, other, queued], { budgetMonthlyCents: 0 });
  const decision = decided(state, progress(running, 0.1), { inputs: company(900_000) });
  expect(decision.state.agent.status).toBe("running");
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { id: queued.id, errorCode: "budget_exceeded", error: budgetReasons.company },
  ]);
  expect(effectsOf(decision, "control")).toMatchObject([
    { runId: running.id, reason: budgetReasons.company },
  ]);
  expect(decision.state.runs.map(({ phase }) => phase)).toEqual(["cancelling", "running"]);
});

test("a company at its limit admits nothing [B35]", () => {
  const state = withRuns([running, queued], { budgetMonthlyCents: 0 });
  const decision = decided(
    state,
    { kind: "run.finished", body: { ...reportOf(running), ...finishOf() } },
    { inputs: company(1_000_000) },
  );
  expect(effectsOf(decision, "dispatch")).toEqual([]);
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { id: running.id },
    { id: queued.id, errorCode: "budget_exceeded" },
  ]);
});

test("a company at its limit gives no go: what was dispatched before is withdrawn [B35]", () => {
  const state = withRuns([runOf("dispatched"), queued], { budgetMonthlyCents: 0 });
  const body = { ...reportOf(state.runs[0]!), ...claimOf("one") };
  const decision = decided(state, { kind: "run.started", body }, { inputs: company(1_000_000) });
  expect(effectsOf(decision, "answer")).toMatchObject([{ answer: "no" }]);
  expect(effectsOf(decision, "withdraw")).toHaveLength(1);
  expect(rowsOf(decision, "runEnds").map((row) => row["errorCode"])).toEqual([
    "budget_exceeded",
    "budget_exceeded",
  ]);
});

test("a limit that is lowered below what is spent stops at once, a raised one nothing", () => {
  const spend = { month: "2026-01", micros: 500_000 };
  const state = withRuns([running, queued], { spend });
  const configure = (budgetMonthlyCents: number) =>
    ({ kind: "configure", body: { budgetMonthlyCents, actorType: "user" } }) as const;
  expect(decided(state, configure(50)).state.agent).toMatchObject({
    status: "paused",
    pauseReason: "budget",
    budgetMonthlyCents: 50,
  });
  expect(decided(state, configure(51)).state.agent.status).toBe("running");
});

test("what this message adds counts against the company at once", () => {
  const state = withRuns([], {
    budgetMonthlyCents: 0,
    spend: { month: "2026-01", micros: 500_000 },
  });
  const draft = new Draft(state, deliver(state, cost(1)), company(900_000));
  expect(companyOverBudget(draft)).toBe(false);
  draft.changeAgent({ spend: { month: "2026-01", micros: 600_000 } });
  expect(companyOverBudget(draft)).toBe(true);
});
