import { isoTime } from "@reveille/shared/protocol/time";
import { expect, test } from "vitest";
import { decided, effectsOf } from "./testing/given.js";
import {
  agentOf,
  claimOf,
  finishOf,
  reportOf,
  runOf,
  startMs,
  wakeOf,
} from "./testing/fixtures.js";
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

test("a new agent's first timer is due one interval after its creation, not at once [M3]", () => {
  expect(state.agent.nextTimerAtMs).toBe(due);
});

test("wakes of other kinds do not push the timer away [B21]", () => {
  const woken = decided(state, wakeOf({ contextSnapshot: { taskKey: "t" } }), {
    place: { atMs: due - 1 },
  });
  const run = woken.state.runs[0]!;
  const ended = decided(
    {
      ...woken.state,
      runs: [runOf("running", { ...run, phase: "running", claim: claimOf("one") })],
    },
    { kind: "run.finished", body: { ...reportOf(run), ...finishOf() } },
    { place: { atMs: due } },
  );
  expect(ended.state.agent.nextTimerAtMs).toBe(due);
});

test("a timer run that waits is the only one: later periods join it and leave no row [B21]", () => {
  const busy = { ...state, runs: [runOf("running", { taskKey: "t" })] };
  const first = fire(busy);
  expect(first.state.runs).toHaveLength(2);
  const second = fire(first.state, due + 60_000, due + 60_000);
  expect(second.state.runs).toHaveLength(2);
  expect(second.rows.map(({ table }) => table)).toEqual(["agents"]);
});

test("a terminated agent has no next time", () => {
  const decision = fire({ ...state, agent: { ...state.agent, status: "terminated" } });
  expect(decision.state.agent.nextTimerAtMs).toBeNull();
});

test("cron: due by the clock of its zone, and it says so", () => {
  const nineMs = Date.parse("2026-03-27T08:00:00Z");
  const berlin = agentOf({ heartbeat: { cron: "0 9 * * *", timezone: "Europe/Berlin" } });
  const given = { ...berlin, agent: { ...berlin.agent, nextTimerAtMs: nineMs } };
  const friday = fire(given, nineMs + 40, nineMs);
  expect(friday.state.runs[0]!.context).toMatchObject({ reason: "cron_due" });
  // Saturday is an ordinary day; on Sunday the clocks have gone forward.
  const next = friday.state.agent.nextTimerAtMs!;
  expect(isoTime(next)).toBe("2026-03-28T08:00:00.000Z");
  const saturday = fire({ ...friday.state, runs: [] }, next, next);
  expect(isoTime(saturday.state.agent.nextTimerAtMs!)).toBe("2026-03-29T07:00:00.000Z");
});

test("what is late is skipped where the policy says so, and the beat goes on", () => {
  const skipping = agentOf({ heartbeat: { intervalSec: 60, catchUp: "skip" } });
  expect(fire(skipping, due + 30_000).state.runs).toHaveLength(1);
  const late = fire(skipping, due + 90_000);
  expect(late.state.runs).toEqual([]);
  expect(late.rows.map(({ table }) => table)).toEqual(["agents"]);
  expect(late.state.agent.nextTimerAtMs).toBe(due + 120_000);
});

test("a schedule that nobody can read is no timer, and nobody else's business [B20]", () => {
  const bad = agentOf({ heartbeat: { cron: "whenever" } });
  expect(bad.agent.nextTimerAtMs).toBeNull();
  const left = fire({ ...bad, agent: { ...bad.agent, nextTimerAtMs: due } });
  expect(left.state).toMatchObject({ runs: [], agent: { nextTimerAtMs: null } });
});
