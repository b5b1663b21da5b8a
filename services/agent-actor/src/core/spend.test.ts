// What runs use and cost: exact, once per run, over all its attempts, in the month of its end.
import { expect, test } from "vitest";
import type { AgentState, Json, RunState } from "./state.js";
import { centsOf, microsOf, spentMicros, unchargedMicros, usageJson, usageOf } from "./spend.js";
import { agentOf, finishOf, idOf, reportOf, resultOf, runOf, startMs } from "./testing/fixtures.js";
import { decided, rowsOf } from "./testing/given.js";

const usage = (inputTokens: number, outputTokens = 0, cachedInputTokens = 0) => ({
  inputTokens,
  outputTokens,
  cachedInputTokens,
});
const running = runOf("running");
const withRun = (run: RunState, fields: Partial<AgentState["agent"]> = {}): AgentState => {
  const state = agentOf({ status: "running" });
  return { ...state, agent: { ...state.agent, ...fields }, runs: [run] };
};
const finished = (result: Json, run = running, fields: Partial<AgentState["agent"]> = {}) =>
  decided(withRun(run, fields), {
    kind: "run.finished",
    body: { ...reportOf(run), ...finishOf(result) },
  });
const reported = (fields: Partial<NonNullable<RunState["reported"]>>) => ({
  carried: null,
  current: null,
  patch: {},
  ...fields,
});

test.each([
  [undefined, 0, 0],
  [null, 0, 0],
  [0.000_001, 1, 0],
  [0.004, 4_000, 0],
  [0.005, 5_000, 1],
  [1.005, 1_005_000, 101],
  [1.5, 1_500_000, 150],
  [-1, 0, 0],
])("%j dollars are %i micro-dollars, shown as %i cents [D1] [B26]", (costUsd, micros, cents) => {
  expect(microsOf(costUsd)).toBe(micros);
  expect(centsOf(micros)).toBe(cents);
});

test("four tenths of a cent leave a cost event, and ten of them four cents [D1] [D3] [D4] [B26]", () => {
  let agent = agentOf().agent;
  for (let n = 0; n < 10; n += 1) {
    const decision = finished({ costUsd: 0.004 }, running, agent);
    expect(rowsOf(decision, "costs")).toMatchObject([{ costMicros: 4_000, costCents: 0 }]);
    agent = decision.state.agent;
  }
  expect(spentMicros(agent, startMs)).toBe(40_000);
  expect(centsOf(spentMicros(agent, startMs))).toBe(4);
});

test("tokens and cost are added to the agent's totals, beside its last run [D2]", () => {
  const decision = finished({ usage: usage(5, 7, 2), costUsd: 0.25, exitCode: 1 });
  expect(rowsOf(decision, "runtimeStates")).toMatchObject([
    {
      ...usage(5, 7, 2),
      costMicros: 250_000,
      lastRunId: running.id,
      lastRunStatus: "failed",
      lastError: "Adapter failed",
    },
  ]);
});

test("a cost event names the issue, the project of its context, cached tokens, model and provider [D3] [B26]", () => {
  const issueId = idOf("issue");
  const projectId = idOf("project");
  const run = runOf("running", { issueId, context: { projectId } });
  const result = { usage: usage(1, 2, 3), model: "m", provider: "p" };
  expect(rowsOf(finished(result, run), "costs")).toMatchObject([
    {
      issueId,
      projectId,
      runId: run.id,
      ...usage(1, 2, 3),
      model: "m",
      provider: "p",
      costMicros: 0,
    },
  ]);
  expect(rowsOf(finished({ usage: usage(1) }), "costs")).toMatchObject([
    { issueId: null, projectId: null, model: "unknown", provider: "unknown" },
  ]);
  expect(rowsOf(finished({ usage: usage(0), costUsd: 0 }), "costs")).toEqual([]);
});

test("the month's spend grows with the run's end, and only by a cost [D4]", () => {
  const spend = { month: "2026-01", micros: 10_000 };
  const decision = finished({ costUsd: 1 }, running, { spend });
  expect(rowsOf(decision, "agents")).toContainEqual(
    expect.objectContaining({ spentMonthlyMicros: 1_010_000, spendMonth: "2026-01" }),
  );
  expect(decision.state.agent.spend).toEqual({ month: "2026-01", micros: 1_010_000 });
  const free = finished({ usage: usage(5) }, running, { spend });
  expect(rowsOf(free, "agents").filter((row) => "spendMonth" in row)).toEqual([]);
});

test("another month counts from nothing, and time never takes a month back [D4]", () => {
  const last = finished({ costUsd: 1 }, running, {
    spend: { month: "2025-12", micros: 5_000_000 },
  });
  expect(last.state.agent.spend).toEqual({ month: "2026-01", micros: 1_000_000 });
  const ahead = { month: "2026-02", micros: 5_000_000 };
  expect(finished({ costUsd: 1 }, running, { spend: ahead }).state.agent.spend).toEqual({
    month: "2026-02",
    micros: 6_000_000,
  });
});

test("the month's count stands still where its column ends", () => {
  const spend = { month: "2026-01", micros: 2_147_483_647 * 10_000 - 1 };
  const decision = finished({ costUsd: 1_000_000 }, running, { spend });
  expect(decision.state.agent.spend.micros).toBe(2_147_483_647 * 10_000);
});

test.each([{ exitCode: 1 }, { timedOut: true }])(
  "a run that ends with %j is charged too [D5]",
  (end) => {
    const decision = finished({ ...end, usage: usage(3), costUsd: 0.5 });
    expect(rowsOf(decision, "costs")).toMatchObject([{ inputTokens: 3, costMicros: 500_000 }]);
  },
);

test("so is one that was cancelled [D5]", () => {
  const decision = finished({ costUsd: 0.5 }, runOf("cancelling"));
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { status: "cancelled", usageJson: { costUsd: 0.5 } },
  ]);
  expect(rowsOf(decision, "costs")).toMatchObject([{ costMicros: 500_000 }]);
});

test("what an adapter that threw says of usage counts nothing; what was reported before stays spent [D5]", () => {
  const threw = { threw: true, exitCode: null, errorMessage: "no", usage: usage(9), costUsd: 9 };
  expect(rowsOf(finished(threw), "costs")).toEqual([]);
  expect(rowsOf(finished(threw), "runEnds")).toMatchObject([{ usageJson: null }]);
  const spent = runOf("running", { reported: reported({ carried: { costUsd: 0.5 } }) });
  expect(rowsOf(finished(threw, spent), "costs")).toMatchObject([{ costMicros: 500_000 }]);
});

test("the adapter's final word replaces what its attempt had reported, tokens and cost each by itself", () => {
  const said = reported({ current: { usage: usage(100), costUsd: 1 } });
  expect(usageOf(said, resultOf({ usage: usage(120) }))).toEqual({ usage: usage(120), costUsd: 1 });
  expect(usageOf(said, resultOf({ costUsd: 2 }))).toEqual({ usage: usage(100), costUsd: 2 });
  expect(usageOf(said, resultOf())).toEqual({ usage: usage(100), costUsd: 1 });
});

test("what lost attempts used is carried on, and the run has one cost event with all of it [B25]", () => {
  const first = runOf("running", {
    reported: reported({ current: { usage: usage(10, 1), costUsd: 0.1 } }),
  });
  const lost = decided(withRun(first), {
    kind: "run.lost",
    body: { ...reportOf(first), reason: "runner_gone" },
  });
  expect(rowsOf(lost, "costs")).toEqual([]);
  const again = lost.state.runs[0]!;
  expect(again.reported).toEqual(reported({ carried: { usage: usage(10, 1), costUsd: 0.1 } }));
  const second = { ...again, phase: "running", claim: first.claim } as const;
  const decision = finished({ usage: usage(5), costUsd: 0.2 }, second);
  expect(rowsOf(decision, "costs")).toMatchObject([{ ...usage(15, 1), costMicros: 300_000 }]);
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { usageJson: { ...usage(15, 1), costUsd: 0.3 } },
  ]);
});

test("a run that is lost for good is charged with what it had reported [D5] [B25]", () => {
  const run = runOf("running", { losses: 9, reported: reported({ current: { costUsd: 0.1 } }) });
  const decision = decided(withRun(run), {
    kind: "run.lost",
    body: { ...reportOf(run), reason: "runner_gone" },
  });
  expect(rowsOf(decision, "costs")).toMatchObject([{ costMicros: 100_000 }]);
  expect(rowsOf(decision, "runtimeStates")).toMatchObject([{ costMicros: 100_000 }]);
});

test("what live runs have reported counts before anybody has charged it", () => {
  const run = runOf("running", {
    reported: reported({ carried: { costUsd: 0.1 }, current: { costUsd: 0.2 } }),
  });
  expect(unchargedMicros(withRun(run))).toBe(300_000);
});

test.each([
  [{}, null],
  [{ usage: usage(1, 2, 3) }, usage(1, 2, 3)],
  [{ costUsd: 0 }, { costUsd: 0 }],
  [
    { costUsd: 0.5, billingType: "api" },
    { costUsd: 0.5, billingType: "api" },
  ],
] as const)("%j leaves as usage %j [O4]", (result, expected) => {
  expect(usageJson(usageOf(null, resultOf(result)), resultOf(result))).toEqual(expected);
});

test("tokens of many attempts stay within their columns", () => {
  const most = usage(2_147_483_647);
  const said = reported({ carried: { usage: most }, current: { usage: most } });
  expect(usageOf(said, null).usage).toEqual(most);
});
