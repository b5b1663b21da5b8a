import { expect, test } from "vitest";
import type { AgentState, RunPhase } from "./state.js";
import { agentOf, finishOf, idOf, inputsOf, reportOf, runOf } from "./testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";

const issueId = idOf("issue");
const run = (phase: RunPhase) => runOf(phase, { issueId, taskKey: issueId });
const next = runOf("queued", { id: idOf("next"), taskKey: "next" });
const having = (...runs: AgentState["runs"]): AgentState => ({ ...agentOf(), runs });
const cancel = (state: AgentState, runId = idOf("run")) =>
  decided(state, {
    kind: "cancel",
    body: { runId, reason: "Cancelled by control plane", actorType: "user" },
  });

test("a run that is unknown or over: nothing changes [X1] [X2] [B9]", () => {
  const state = having(next);
  expect(cancel(state)).toMatchObject({ outcome: "ignored", rows: [], effects: [], state });
});

test("a running run keeps slot and issue until its tree is dead; the next starts then, not before [X4] [B4] [B6]", () => {
  const asked = cancel(having(run("running"), next));
  expect(asked.state.runs).toMatchObject([
    { phase: "cancelling", holdsIssue: true },
    { phase: "queued" },
  ]);
  expect(effectsOf(asked, "control")).toMatchObject([{ order: "cancel", runId: idOf("run") }]);
  expect(effectsOf(asked, "release")).toEqual([]);
  expect(rowsOf(asked, "runs")).toMatchObject([{ status: "running", phase: "cancelling" }]);

  const dead = decided(asked.state, {
    kind: "run.finished",
    body: { ...reportOf(run("cancelling")), ...finishOf({ exitCode: null, signal: "SIGKILL" }) },
  });
  expect(rowsOf(dead, "runEnds")).toMatchObject([
    { status: "cancelled", errorCode: "cancelled", error: "Cancelled by control plane" },
  ]);
  expect(rowsOf(dead, "wakes")).toMatchObject([
    { status: "cancelled", error: "Cancelled by control plane" },
  ]);
  expect(rowsOf(dead, "events").at(-1)).toMatchObject({ message: "run cancelled", level: "warn" });
  expect(effectsOf(dead, "release")).toMatchObject([{ issueId }]);
  expect(dead.state.runs).toMatchObject([{ id: next.id, phase: "dispatched" }]);
});

test("a repeat sends the control message again, with the first reason [X3]", () => {
  const first = cancel(having(run("running")));
  const again = decided(first.state, {
    kind: "cancel",
    body: { runId: idOf("run"), reason: "another", actorType: "user" },
  });
  expect(effectsOf(again, "control")).toMatchObject([{ reason: "Cancelled by control plane" }]);
  expect(rowsOf(again, "runs")).toEqual([]);
});

test.each(["queued", "waiting", "dispatched"] as const)(
  "a run that is %s ends at once, without a signal [X5]",
  (phase) => {
    const decision = cancel(having(run(phase)));
    expect(decision.state.runs).toEqual([]);
    expect(rowsOf(decision, "runEnds")).toMatchObject([{ status: "cancelled" }]);
    expect(effectsOf(decision, "control")).toEqual([]);
  },
);

test("the slot of a dispatched run goes to the next at once: nothing was started [X5]", () => {
  const decision = decided(
    having(run("dispatched"), next),
    { kind: "cancel", body: { runId: idOf("run"), reason: "enough", actorType: "user" } },
    { inputs: inputsOf({ issues: [issueId] }) },
  );
  expect(decision.state.runs).toMatchObject([{ id: next.id, phase: "dispatched" }]);
  expect(effectsOf(decision, "withdraw")).toHaveLength(1);
});
