import { expect, test } from "vitest";
import { decided, effectsOf } from "./testing/given.js";
import { agentOf, runOf, startMs } from "./testing/fixtures.js";
import type { AgentState } from "./state.js";

const state = agentOf({ heartbeat: { intervalSec: 60 } });
const due = startMs + 60_000;
const fire = (given: AgentState, atMs = due, dueAtMs = due) =>
  decided(
    given,
    { kind: "timer", body: { id: `timer:${dueAtMs}`, dueAtMs, timer: "heartbeat" } },
    { place: { atMs } },
  );

test("a due timer is a wake of the system, and the next one is one interval after it was due [M4]", () => {
  const decision = fire(state, due + 700);
  expect(decision.verdict).toMatchObject({
    outcome: "queued",
    run: { invocationSource: "timer", triggerDetail: "system" },
  });
  expect(decision.state.agent.nextTimerAtMs).toBe(due + 60_000);
  expect(effectsOf(decision, "set-timer")).toMatchObject([{ dueAtMs: due + 60_000 }]);
});

test("missed periods fire once, and keep the beat [B21]", () => {
  const decision = fire(state, due + 200_000);
  expect(decision.state.runs).toHaveLength(1);
  expect(decision.state.agent.nextTimerAtMs).toBe(due + 240_000);
});

test("a timer that is not the next one is stale", () => {
  expect(fire(state, due, due - 1)).toMatchObject({ outcome: "stale", rows: [], effects: [] });
});

test.each(["paused", "pending_approval"] as const)(
  "%s: no run, no row of a wake, but the beat goes on [M2] [M6] [B20]",
  (status) => {
    const decision = fire({ ...state, agent: { ...state.agent, status } });
    expect(decision.state.runs).toEqual([]);
    expect(decision.state.agent.nextTimerAtMs).toBe(due + 60_000);
  },
);

test.each(["queued", "running"] as const)(
  "with a %s run of no scope it leaves no row [B21] [T6]",
  (phase) => {
    const decision = fire({ ...state, runs: [runOf(phase)] });
    expect(decision.rows.map(({ table }) => table)).toEqual(["agents"]);
    expect(decision.verdict).toBeNull();
  },
);

test("a new interval starts from now", () => {
  const heartbeat = { intervalSec: 10 };
  const decision = decided(
    state,
    { kind: "configure", body: { runtimeConfig: { heartbeat }, actorType: "user" } },
    { place: { atMs: startMs + 5_000 } },
  );
  expect(decision.state.agent.nextTimerAtMs).toBe(startMs + 15_000);
  const same = decided(state, { kind: "configure", body: { name: "new", actorType: "user" } });
  expect(effectsOf(same, "set-timer")).toEqual([]);
});
