// Given an agent, when it is woken, then: the verdict, the rows, and what is left alone. The numbers (W3, T2 ...) are rows of the
// behaviour table that Reveille took over; the matrix of phases and statuses is in state-machine.test.ts.
import { expect, test } from "vitest";
import { decide } from "./decide.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";
import { agentOf, deliver, idOf, inputsOf, runOf, waitOf, wakeOf } from "./testing/fixtures.js";

const issueId = idOf("issue");
const onIssue = wakeOf({ contextSnapshot: { issueId } });
const knowing = inputsOf({ issues: [issueId] });
const wakeRunId = (() => {
  const decision = decide(agentOf(), deliver(agentOf(), onIssue), knowing);
  return decision.kind === "needs" ? decision.locks[0]!.runId : "";
})();

test("an idle agent: a run, its request, its verdict and its execution, together [W4] [I3] [Q4]", () => {
  const decision = decided(agentOf(), wakeOf({ reason: "because" }), {
    place: { replyTo: "_INBOX.a" },
  });
  expect(decision.verdict).toMatchObject({
    outcome: "queued",
    wakeId: "wake-1",
    run: { status: "queued", startedAt: null },
  });
  expect(rowsOf(decision, "wakes")).toMatchObject([
    { status: "queued", reason: "because", wakeId: "wake-1" },
  ]);
  expect(rowsOf(decision, "runs")).toMatchObject([
    { phase: "dispatched", status: "queued", attempt: 1 },
  ]);
  expect(effectsOf(decision, "dispatch")).toHaveLength(1);
  expect(effectsOf(decision, "reply")).toMatchObject([
    { subject: "_INBOX.a", verdict: decision.verdict },
  ]);
});

test.each([
  ["paused", "agent_not_invokable"],
  ["pending_approval", "agent_not_invokable"],
  ["terminated", "agent_not_invokable"],
] as const)("%s: rejected with the status, no request row [W3] [Q8]", (status, reason) => {
  const decision = decided(agentOf({ status }), wakeOf());
  expect(decision.verdict).toMatchObject({ outcome: "rejected", reason, details: { status } });
  expect(decision.rows.map(({ table }) => table)).toEqual(["verdicts"]);
});

test.each([
  ["a timer wake, heartbeat off [W5]", { enabled: false }, "timer", "heartbeat.disabled"],
  [
    "any other wake, on demand off [W6]",
    { wakeOnDemand: false },
    "on_demand",
    "heartbeat.wakeOnDemand.disabled",
  ],
] as const)("%s: skipped with a row", (_, heartbeat, source, reason) => {
  const decision = decided(agentOf({ heartbeat }), wakeOf({ source }));
  expect(decision.verdict).toMatchObject({ outcome: "skipped", reason });
  expect(rowsOf(decision, "wakes")).toMatchObject([{ status: "skipped", reason, runId: null }]);
  expect(decision.state.runs).toEqual([]);
});

test("heartbeat off gates the timer alone [W7]", () => {
  expect(decided(agentOf({ heartbeat: { enabled: false } }), wakeOf()).verdict?.outcome).toBe(
    "queued",
  );
});

test("an issue that is unknown, or of another company: skipped [I1]", () => {
  const foreign = inputsOf();
  const issues = new Map([[issueId, { id: issueId, companyId: idOf("other"), projectId: null }]]);
  for (const inputs of [foreign, { ...foreign, issues }])
    expect(decided(agentOf(), onIssue, { inputs }).verdict).toMatchObject({
      outcome: "skipped",
      reason: "issue_execution_issue_not_found",
    });
});

test("a repeated wake id: the stored verdict again, and nothing else", () => {
  const earlier = { outcome: "queued", wakeId: "wake-1" } as const;
  const state = agentOf({ status: "paused" });
  const decision = decided(state, wakeOf(), {
    inputs: inputsOf({ earlier }),
    place: { replyTo: "_INBOX.a" },
  });
  expect(decision).toMatchObject({ outcome: "duplicate", verdict: earlier, rows: [] });
  expect(decision.state).toBe(state);
  expect(effectsOf(decision, "reply")).toHaveLength(1);
});

test("a repeated idempotency key: a row that points to the first run [W12] [B10]", () => {
  const first = { id: idOf("first"), status: "succeeded" };
  const keyOwner = { verdict: { outcome: "queued", wakeId: "w" } as const, run: first };
  const decision = decided(agentOf(), wakeOf({ idempotencyKey: "k" }), {
    inputs: inputsOf({ keyOwner }),
  });
  expect(decision.verdict).toMatchObject({
    outcome: "coalesced",
    run: first,
    reason: "idempotency_key",
  });
  expect(rowsOf(decision, "wakes")).toMatchObject([{ status: "coalesced", runId: first.id }]);
  expect(decision.state.runs).toEqual([]);
});

test("without an id the wake's id comes from its place in the stream", () => {
  const wake = wakeOf();
  if (wake.kind === "wake") delete wake.body.id;
  const at = (sequence: number) =>
    decided(agentOf(), wake, { place: { sequence } }).verdict?.wakeId;
  expect(at(1)).toBe(at(1));
  expect(at(1)).not.toBe(at(2));
});

const scoped = (taskKey: string | null, commentId?: string) =>
  wakeOf({
    contextSnapshot: { ...(taskKey ? { taskKey } : {}), ...(commentId ? { commentId } : {}) },
  });

test.each([
  ["queued, same scope [T1]", runOf("queued", { taskKey: "t" }), scoped("t"), "coalesced"],
  ["running, same scope [T2]", runOf("running", { taskKey: "t" }), scoped("t"), "coalesced"],
  [
    "running, same scope, a comment [T3] [B12]",
    runOf("running", { taskKey: "t" }),
    scoped("t", "c"),
    "queued",
  ],
  [
    "dispatched, a comment [T3] [B12]",
    runOf("dispatched", { taskKey: "t" }),
    scoped("t", "c"),
    "queued",
  ],
  ["queued, a comment [T4]", runOf("queued", { taskKey: "t" }), scoped("t", "c"), "coalesced"],
  ["another scope [T5]", runOf("running", { taskKey: "t" }), scoped("u"), "queued"],
  ["no scope and no scope [T6]", runOf("running"), scoped(null), "coalesced"],
  [
    "a run that is being cancelled [B22]",
    runOf("cancelling", { taskKey: "t" }),
    scoped("t"),
    "queued",
  ],
] as const)("%s", (_, run, wake, outcome) => {
  expect(decided({ ...agentOf(), runs: [run] }, wake).verdict?.outcome).toBe(outcome);
});

test("the newest match is joined, and its context gathers what is new [T7] [C6]", () => {
  const runs = [
    runOf("queued", { id: idOf("old") }),
    runOf("queued", { id: idOf("new"), context: { a: 1, commentId: "x" } }),
  ];
  const busy = { ...agentOf(), runs: [runOf("running", { taskKey: "t" }), ...runs] };
  const { state } = decided(busy, scoped(null, "y"));
  expect(state.runs.find(({ id }) => id === idOf("new"))?.context).toMatchObject({
    a: 1,
    commentId: "y",
    wakeCommentId: "y",
  });
  expect(state.runs.find(({ id }) => id === idOf("old"))?.context).toEqual({});
});

test("a free slot and an issue: the lock is asked for first", () => {
  const decision = decide(agentOf(), deliver(agentOf(), onIssue), knowing);
  expect(decision).toMatchObject({ kind: "needs", locks: [{ issueId, runId: wakeRunId }] });
});

test.each([
  ["held", "queued", "dispatched", 0],
  ["waiting", "deferred", undefined, 1],
  ["full", "rejected", undefined, 0],
] as const)("the lock is %s: %s", (lock, outcome, phase, waits) => {
  const inputs = inputsOf({ issues: [issueId], locks: { [wakeRunId]: lock } });
  const decision = decided(agentOf(), onIssue, { inputs });
  expect(decision.verdict?.outcome).toBe(outcome);
  expect(decision.state.runs[0]?.phase).toBe(phase);
  expect(decision.state.waits).toHaveLength(waits);
  expect(rowsOf(decision, "issues")).toHaveLength(phase ? 1 : 0);
});

test("one agent waits once per issue: the next wake joins the one that waits [I10] [I11]", () => {
  const state = { ...agentOf(), waits: [waitOf(issueId)] };
  const decision = decided(state, wakeOf({ contextSnapshot: { issueId, note: "more" } }), {
    inputs: knowing,
  });
  expect(decision.verdict).toMatchObject({
    outcome: "coalesced",
    reason: "issue_execution_deferred",
  });
  expect(decision.state.waits).toMatchObject([{ coalescedCount: 1, context: { note: "more" } }]);
});

test("without a slot a wake on an issue is queued and asks for no lock [B14]", () => {
  const busy = { ...agentOf(), runs: [runOf("running", { taskKey: "t" })] };
  const decision = decided(busy, onIssue, { inputs: knowing });
  expect(decision.state.runs[1]).toMatchObject({ phase: "queued", holdsIssue: false });
});

test("a full queue refuses; a free slot is no queue", () => {
  const heartbeat = { maxQueuedRuns: 1 };
  const queued = runOf("queued", { id: idOf("q"), taskKey: "q" });
  const busy = { ...agentOf({ heartbeat }), runs: [runOf("running", { taskKey: "t" }), queued] };
  expect(decided(busy, wakeOf()).verdict).toMatchObject({
    outcome: "rejected",
    reason: "queue_full",
  });
  const waiting = { ...agentOf({ heartbeat }), runs: [runOf("waiting", { issueId })] };
  expect(decided(waiting, scoped("u")).verdict?.outcome).toBe("queued");
});
