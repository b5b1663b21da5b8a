// An agent and an issue: who works on it, who joins, who waits, who lets go. The value of the lock itself is tested in
// ../lock.test.ts, what comes with a grant in ../on-grant.test.ts.
import { runIdOfWake } from "@reveille/shared/protocol/ids";
import { expect, test } from "vitest";
import { acquire } from "../lock.js";
import type { AgentState, RunState } from "../state.js";
import {
  agentOf,
  companyId,
  finishOf,
  idOf,
  inputsOf,
  reportOf,
  runOf,
  wakeOf,
} from "../testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "../testing/given.js";

const issueId = idOf("issue");
const other = idOf("other issue");
const onIssue = (more: Record<string, unknown> = {}) => wakeOf({ payload: { issueId, ...more } });
/** The id of the run that `wakeOf` leads to. */
const runIdFor = ({ agent }: AgentState): string => runIdOfWake(companyId, agent.id, "wake-1");
const woken = (state: AgentState, lock: "held" | "waiting", more: Record<string, unknown> = {}) =>
  decided(state, onIssue(more), {
    inputs: inputsOf({ issues: [issueId], locks: { [runIdFor(state)]: lock } }),
  });
const withRuns = (...runs: RunState[]): AgentState => ({
  ...agentOf({ status: "running", heartbeat: { maxConcurrentRuns: 3 } }),
  runs,
});

test("a free issue: request, run, its place on the issue and the verdict are one decision [I2]", () => {
  const decision = woken(agentOf({ name: " Ada " }), "held", { note: 1 });
  const [run] = rowsOf(decision, "runs");
  expect(run).toMatchObject({ issueId, holdsIssue: true, phase: "dispatched", status: "queued" });
  expect(rowsOf(decision, "wakes")).toMatchObject([{ status: "queued", runId: run?.["id"] }]);
  expect(rowsOf(decision, "issues")).toMatchObject([
    { id: issueId, executionRunId: run?.["id"], executionAgentNameKey: "ada" },
  ]);
  expect(rowsOf(decision, "verdicts")).toMatchObject([{ runId: run?.["id"] }]);
});

test("the lock comes with the slot, not before [I2] [B14]", () => {
  const busy = { ...agentOf(), runs: [runOf("running", { taskKey: "t" })] };
  const decision = decided(busy, onIssue(), { inputs: inputsOf({ issues: [issueId] }) });
  expect(rowsOf(decision, "issues")).toEqual([]);
  expect(rowsOf(decision, "runs")).toMatchObject([{ phase: "queued", holdsIssue: false }]);
});

const entry = (name: string) => ({
  runId: idOf(name),
  requestId: idOf(`request ${name}`),
  companyId,
  agentId: idOf("ada"),
  partition: 0,
  generation: 1,
  sequence: 1,
  requestedAtMs: 1,
});

test("a holder that is over or gone gives way, one that lives does not [I4]", () => {
  const value = { holder: entry("dead"), waiters: [] };
  expect(acquire(value, entry("new"), false)).toMatchObject({ outcome: "held" });
  expect(acquire(value, entry("new"), true)).toMatchObject({ outcome: "waiting" });
});

test("the same agent joins its own run on the issue, and that run's context gathers what is new [I6]", () => {
  const run = runOf("running", { issueId, taskKey: issueId, context: { issueId, a: 1 } });
  const decision = decided(withRuns(run), wakeOf({ reason: "again", payload: { issueId } }), {
    inputs: inputsOf({ issues: [issueId] }),
  });
  expect(decision.verdict).toMatchObject({ outcome: "coalesced", run: { id: run.id } });
  expect(rowsOf(decision, "wakes")).toMatchObject([
    { status: "coalesced", reason: "issue_execution_same_name", runId: run.id, coalescedCount: 1 },
  ]);
  expect(decision.state.runs).toMatchObject([{ context: { a: 1, wakeReason: "again" } }]);
  expect(effectsOf(decision, "dispatch")).toEqual([]);
});

test("a comment does not join a run at work: it waits at the lock, and further ones join the wait in order [I7] [B12]", () => {
  const run = runOf("running", { issueId, taskKey: issueId });
  const first = woken(withRuns(run), "waiting", { commentId: "c1" });
  expect(first.verdict?.outcome).toBe("deferred");
  expect(first.state.runs).toMatchObject([{ id: run.id, context: {} }]);
  const second = decided(
    first.state,
    wakeOf({ id: "wake-2", payload: { issueId, commentId: "c2" } }),
    {
      inputs: inputsOf({ issues: [issueId] }),
    },
  );
  expect(second.verdict?.outcome).toBe("coalesced");
  expect(second.state.waits).toMatchObject([
    { context: { wakeCommentId: "c2", wakeCommentIds: ["c1", "c2"] }, coalescedCount: 1 },
  ]);
});

test("who meets another holder is deferred: a row with payload and context, no run, nothing announced [I8] [I11]", () => {
  const decision = woken(agentOf(), "waiting", { x: 1 });
  expect(rowsOf(decision, "wakes")).toMatchObject([
    {
      status: "deferred_issue_execution",
      reason: "issue_execution_deferred",
      payload: { x: 1, issueId, _paperclipWakeContext: { issueId, taskId: issueId } },
      finishedAt: null,
    },
  ]);
  expect(rowsOf(decision, "runs")).toEqual([]);
  expect(effectsOf(decision, "announce")).toEqual([]);
  expect(effectsOf(decision, "dispatch")).toEqual([]);
});

test("the same name is another agent: what one holds the other is not told, it asks the lock [I9] [B13] [B17]", () => {
  const ada = agentOf({ name: "ada" });
  const namesake = { ...ada, agent: { ...ada.agent, id: idOf("another ada") } };
  expect(runIdFor(namesake)).not.toBe(runIdFor(ada));
  expect(woken(namesake, "waiting").verdict?.outcome).toBe("deferred");
});

test.each(["succeeded", "failed", "timed_out"] as const)(
  "a run that has %s lets go of its issue, and of no other [R1] [R6] [B18]",
  (status) => {
    const run = runOf("running", { issueId });
    const beside = runOf("running", { id: idOf("beside"), issueId: other });
    const result = { exitCode: status === "failed" ? 1 : 0, timedOut: status === "timed_out" };
    const decision = decided(withRuns(run, beside), {
      kind: "run.finished",
      body: { ...reportOf(run), ...finishOf(result) },
    });
    expect(rowsOf(decision, "runEnds")).toMatchObject([{ status, holdsIssue: false }]);
    expect(rowsOf(decision, "issues")).toMatchObject([{ id: issueId, endedRunId: run.id }]);
    expect(effectsOf(decision, "release")).toMatchObject([{ issueId, runId: run.id }]);
    expect(decision.state.runs).toMatchObject([{ id: beside.id, holdsIssue: true }]);
  },
);

test("a run without an issue lets go of nothing [R6]", () => {
  const run = runOf("running");
  const decision = decided(withRuns(run), {
    kind: "run.finished",
    body: { ...reportOf(run), ...finishOf() },
  });
  expect(effectsOf(decision, "release")).toEqual([]);
  expect(rowsOf(decision, "issues")).toEqual([]);
});

test("a promoted wake is announced and sent like any run, and says why it was held up [R4] [R5]", () => {
  const deferred = woken(agentOf(), "waiting");
  const [wait] = deferred.state.waits;
  const grant = { issueId, runId: wait!.runId, wakeId: wait!.requestId };
  const decision = decided(
    deferred.state,
    { kind: "grant", body: grant },
    { inputs: inputsOf({ issues: [issueId], locks: { [wait!.runId]: "held" } }) },
  );
  expect(effectsOf(decision, "announce").map(({ type }) => type)).toContain("heartbeat.run.queued");
  expect(effectsOf(decision, "dispatch")).toMatchObject([{ execution: { runId: wait!.runId } }]);
  expect(rowsOf(decision, "runs")).toMatchObject([
    { contextSnapshot: { issueId, wakeReason: "issue_execution_deferred" } },
  ]);
});
