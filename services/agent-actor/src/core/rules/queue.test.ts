// The queue of one agent: how many run, in which order, when it is looked at again, and what never starts.
import { expect, test } from "vitest";
import type { MailboxMessage } from "../delivery.js";
import type { AgentState, RunState } from "../state.js";
import {
  agentOf,
  claimOf,
  deliver,
  finishOf,
  idOf,
  inputsOf,
  reportOf,
  runOf,
  startMs,
  wakeOf,
} from "../testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "../testing/given.js";
import { decideUnknownAgent } from "../unknown-agent.js";

const queued = (name: string, fields: Partial<RunState> = {}): RunState =>
  runOf("queued", { id: idOf(name), taskKey: name, ...fields });
const withRuns = (runs: RunState[], slots = 1, fields: Partial<AgentState> = {}): AgentState => ({
  ...agentOf({ status: "running", heartbeat: { maxConcurrentRuns: slots } }),
  ...fields,
  runs,
});
const running = runOf("running");
const dispatched = (decision: ReturnType<typeof decided>): string[] =>
  effectsOf(decision, "dispatch").map(({ execution }) => execution.runId);
const finished = (run = running): MailboxMessage => ({
  kind: "run.finished",
  body: { ...reportOf(run), ...finishOf() },
});
const by = { actorType: "user" } as const;

test("as many as there are free slots, in the order of their wakes [Q1]", () => {
  const state = withRuns([running, queued("a"), queued("b"), queued("c")], 3);
  // Two slots were free before, and a third is when the run has ended.
  expect(dispatched(decided(state, finished()))).toEqual(["a", "b", "c"].map(idOf));
  const two = withRuns([running, queued("a"), queued("b"), queued("c")], 2);
  expect(dispatched(decided(two, finished()))).toEqual(["a", "b"].map(idOf));
});

test("fewer slots than runs: nothing starts until there is room again [Q1]", () => {
  const state = withRuns([running, runOf("running", { id: idOf("second") }), queued("a")], 1);
  expect(dispatched(decided(state, finished()))).toEqual([]);
});

test("whoever wakes gets the run as queued, whatever comes next [Q4]", () => {
  expect(decided(agentOf(), wakeOf()).verdict).toMatchObject({
    outcome: "queued",
    run: { status: "queued", startedAt: null },
  });
});

const cancelled: MailboxMessage = {
  kind: "cancel",
  body: { runId: idOf("dispatched"), reason: "enough", ...by },
};
const paused = withRuns([queued("next")], 1, {
  agent: { ...agentOf().agent, status: "paused" },
});
const waitingRun = runOf("waiting", { id: idOf("waiter"), issueId: idOf("issue") });

test.each<[string, AgentState, MailboxMessage]>([
  ["a wake", withRuns([queued("next")]), wakeOf({ payload: { taskKey: "other" } })],
  ["an end", withRuns([running, queued("next")]), finished()],
  [
    "a cancel",
    withRuns([runOf("dispatched", { id: idOf("dispatched") }), queued("next")]),
    cancelled,
  ],
  [
    "a loss for good",
    withRuns([{ ...running, losses: 5 }, queued("next")]),
    { kind: "run.lost", body: { ...reportOf(running), reason: "runner_gone" } },
  ],
  ["a resume", paused, { kind: "resume", body: by }],
  ["a look that was asked for", withRuns([queued("next")]), { kind: "admit", body: by }],
  [
    "more slots",
    withRuns([running, queued("next")]),
    { kind: "configure", body: { runtimeConfig: { heartbeat: { maxConcurrentRuns: 2 } }, ...by } },
  ],
])("the queue is looked at again after %s [Q5]", (_, state, message) => {
  expect(dispatched(decided(state, message))).toContain(idOf("next"));
});

test("a slot that its run gives back, because another agent holds the issue, goes to the next [Q5] [B14]", () => {
  const state = withRuns([running, { ...waitingRun, phase: "queued" }, queued("next")]);
  const decision = decided(state, finished(), {
    inputs: inputsOf({ issues: [idOf("issue")], locks: { [waitingRun.id]: "waiting" } }),
  });
  expect(dispatched(decision)).toEqual([idOf("next")]);
  expect(decision.state.runs).toMatchObject([{ phase: "waiting" }, { phase: "dispatched" }]);
});

test("a claim is won once: who comes second gets a no and changes nothing [Q3]", () => {
  const run = runOf("dispatched");
  const claim = (name: string): MailboxMessage => ({
    kind: "run.started",
    body: { runId: run.id, attempt: 1, ...claimOf(name) },
  });
  const first = decided(withRuns([run]), claim("one"), { place: { atMs: startMs + 5 } });
  expect(effectsOf(first, "answer")).toMatchObject([{ answer: "go" }]);
  expect(rowsOf(first, "runs")).toMatchObject([
    { status: "running", startedAt: "2026-01-01T00:00:00.005Z" },
  ]);
  expect(rowsOf(first, "wakes")).toMatchObject([
    { status: "claimed", claimedAt: "2026-01-01T00:00:00.005Z" },
  ]);
  expect(effectsOf(first, "announce").map(({ type }) => type)).toContain("heartbeat.run.status");
  const second = decided(first.state, claim("two"));
  expect(effectsOf(second, "answer")).toMatchObject([{ answer: "no" }]);
  expect(second.rows).toEqual([]);
  expect(second.state).toBe(first.state);
});

test("a repeated attempt keeps the time of the first go [Q3]", () => {
  const run = runOf("dispatched", { attempt: 2, startedAtMs: startMs, lastEventSeq: 1 });
  const decision = decided(withRuns([run]), {
    kind: "run.started",
    body: { runId: run.id, attempt: 2, ...claimOf("two") },
  });
  expect(rowsOf(decision, "runs")).toMatchObject([{ startedAt: "2026-01-01T00:00:00.000Z" }]);
});

test("what is over is not started: its claim gets a no [Q6]", () => {
  const { state } = decided(withRuns([running]), finished());
  const late = decided(state, {
    kind: "run.started",
    body: { runId: running.id, attempt: 1, ...claimOf("two") },
  });
  expect(effectsOf(late, "answer")).toMatchObject([{ answer: "no" }]);
  expect(late.rows).toEqual([]);
});

test("of an agent that is gone nothing starts: the claim gets a no, a wake is told so [Q7]", () => {
  const started = { runId: running.id, attempt: 1, ...claimOf("one") };
  const claim = decideUnknownAgent(deliver(agentOf(), { kind: "run.started", body: started }));
  expect(claim.effects).toMatchObject([{ kind: "answer", answer: "no" }]);
  expect(decideUnknownAgent(deliver(agentOf(), wakeOf())).verdict).toMatchObject({
    outcome: "rejected",
    reason: "agent_not_found",
  });
});

test.each(["paused", "terminated", "pending_approval"] as const)(
  "a slot that becomes free starts nothing while its agent is %s, and the end leaves the gate closed [Q8] [B19] [O7]",
  (status) => {
    const agent = { ...agentOf().agent, status };
    const decision = decided(withRuns([running, queued("next")], 1, { agent }), finished());
    expect(dispatched(decision)).toEqual([]);
    expect(decision.state.agent.status).toBe(status);
  },
);

test("a go that was under way when the gate closed starts its process and opens no gate [E6] [B19]", () => {
  const agent = { ...agentOf().agent, status: "paused" as const };
  const run = runOf("dispatched");
  const decision = decided(withRuns([run], 1, { agent }), {
    kind: "run.started",
    body: { runId: run.id, attempt: 1, ...claimOf("one") },
  });
  expect(decision.state.agent.status).toBe("paused");
});

test("however old a queued run is, it starts when its turn comes [B2]", () => {
  const state = withRuns([running, queued("old", { createdAtMs: startMs - 86_400_000 * 30 })]);
  expect(dispatched(decided(state, finished()))).toEqual([idOf("old")]);
});
