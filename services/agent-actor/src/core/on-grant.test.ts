import { expect, test } from "vitest";
import { decided, effectsOf, rowsOf } from "./testing/given.js";
import { agentOf, idOf, inputsOf, runOf, waitOf } from "./testing/fixtures.js";
import type { AgentState } from "./state.js";

const issueId = idOf("issue");
const wait = waitOf(issueId);
const waiting = (fields: Partial<AgentState> = {}): AgentState => ({
  ...agentOf(),
  waits: [wait],
  ...fields,
});
const grant = (state: AgentState, runId = wait.runId, issues: readonly string[] = [issueId]) =>
  decided(
    state,
    { kind: "grant", body: { issueId, runId, wakeId: wait.requestId } },
    { inputs: inputsOf({ issues, locks: { [runId]: "held" } }) },
  );

test("a deferred wake becomes a run with the context that it came with [R2]", () => {
  const decision = grant(waiting());
  expect(decision.state.waits).toEqual([]);
  expect(decision.state.runs).toMatchObject([
    { id: wait.runId, phase: "dispatched", holdsIssue: true, context: { issueId } },
  ]);
  expect(rowsOf(decision, "wakes")).toMatchObject([
    { status: "queued", reason: "issue_execution_promoted", runId: wait.runId },
  ]);
});

test.each(["paused", "terminated", "pending_approval"] as const)(
  "%s: the wake fails and the lock is passed on [R3] [B16]",
  (status) => {
    const decision = grant(waiting({ ...agentOf({ status }), waits: [wait] }));
    expect(rowsOf(decision, "wakes")).toMatchObject([
      {
        status: "failed",
        error: "Deferred wake could not be promoted: agent is not invokable",
        owesRelease: true,
      },
    ]);
    expect(effectsOf(decision, "release")).toMatchObject([
      { owner: "wake", ownerId: wait.requestId },
    ]);
  },
);

test("an issue that is gone: the wake fails and the lock is passed on", () => {
  const decision = grant(waiting(), wait.runId, []);
  expect(rowsOf(decision, "wakes")).toMatchObject([
    { status: "failed", error: "issue_execution_issue_not_found" },
  ]);
  expect(effectsOf(decision, "release")).toHaveLength(1);
});

test("without a free slot the run is queued and the lock is passed on, marked as owed [B14] [B16]", () => {
  const decision = grant(waiting({ runs: [runOf("running")] }));
  expect(decision.state.runs[1]).toMatchObject({ phase: "queued", holdsIssue: false });
  expect(rowsOf(decision, "runs").at(-1)).toMatchObject({
    id: wait.runId,
    owesRelease: true,
    phase: "queued",
  });
  expect(effectsOf(decision, "release")).toMatchObject([{ owner: "run", runId: wait.runId }]);
});

test("a repeated grant to a queued run without a slot writes a whole row", () => {
  const queued = runOf("queued", { id: wait.runId, issueId });
  const decision = grant({ ...agentOf(), runs: [runOf("running"), queued] });
  expect(rowsOf(decision, "runs")).toMatchObject([
    { id: wait.runId, status: "queued", phase: "queued", owesRelease: true },
  ]);
});

test("whoever takes the lock owes no release of it any more", () => {
  const decision = grant({ ...agentOf(), runs: [runOf("waiting", { id: wait.runId, issueId })] });
  expect(rowsOf(decision, "runs").at(-1)).toMatchObject({
    phase: "dispatched",
    owesRelease: false,
  });
});

test.each(["dispatched", "running", "cancelling"] as const)(
  "a grant to a run that is %s changes nothing",
  (phase) => {
    const state = { ...agentOf(), runs: [runOf(phase, { issueId })] };
    const decision = grant(state, state.runs[0]!.id);
    expect(decision).toMatchObject({ outcome: "duplicate", rows: [], effects: [] });
  },
);

test("a grant to nobody gives the lock back [R6] [B15]", () => {
  expect(effectsOf(grant(agentOf(), idOf("unknown")), "release")).toHaveLength(1);
});

test("a cancelled waiter leaves the queue without touching the issue's row, which is the holder's", () => {
  const run = runOf("waiting", { issueId });
  const decision = decided(
    { ...agentOf(), runs: [run] },
    { kind: "cancel", body: { runId: run.id, reason: "enough", actorType: "user" } },
  );
  expect(rowsOf(decision, "runEnds")).toMatchObject([{ status: "cancelled", owesRelease: true }]);
  expect(rowsOf(decision, "issues")).toEqual([]);
  expect(effectsOf(decision, "release")).toHaveLength(1);
});

test("a limit of the company stops the granted run: the lock is passed on, marked as owed", () => {
  const body = { issueId, runId: wait.runId, wakeId: wait.requestId };
  const company = { budgetMonthlyCents: 1, spentMicros: 1_000_000 };
  const decision = decided(
    waiting(),
    { kind: "grant", body },
    { inputs: inputsOf({ issues: [issueId], company }) },
  );
  expect(decision.state.runs).toEqual([]);
  expect(rowsOf(decision, "runs").at(-1)).toEqual({ id: wait.runId, owesRelease: true });
  expect(effectsOf(decision, "release")).toMatchObject([
    { runId: wait.runId, owner: "run", ownerId: wait.runId },
  ]);
});
