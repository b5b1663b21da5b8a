// What is held for dead, and by whom: a claim whose runner is gone, never a row that is old. There is no reaper that walks over runs
// and counts what it ended; each lost attempt is a message to its agent, and what stands for the reaper's answer is its decision.
import { expect, test } from "vitest";
import type { AgentState, RunPhase } from "./state.js";
import { agentOf, idOf, reportOf, runOf, startMs, wakeOf } from "./testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "./testing/given.js";

const having = (...runs: AgentState["runs"]): AgentState => ({ ...agentOf(), runs });
const yearMs = 365 * 86_400_000;
const expire = (state: AgentState, run = state.runs[0]!, atMs = startMs + yearMs) => {
  const { runId, attempt, claimId } = reportOf(run);
  const body = { runId, attempt: Math.max(1, attempt), claimId };
  return decided(state, { kind: "expired", body }, { place: { atMs } });
};

test.each(["queued", "waiting", "dispatched"] as const)(
  "a run that is %s is never reaped, however old [B2] [Z1] [Z2]",
  (phase: RunPhase) => {
    const state = having(runOf(phase, { issueId: idOf("issue") }));
    expect(expire(state)).toMatchObject({ outcome: "stale", rows: [], effects: [], state });
  },
);

test("a restart asks nothing of the queue: it is admitted as if nothing had been [B2] [Z1]", () => {
  const state = having(runOf("queued", { createdAtMs: startMs - yearMs }));
  const body = { actorType: "system" } as const;
  expect(decided(state, { kind: "admit", body }).state.runs).toMatchObject([
    { phase: "dispatched" },
  ]);
});

test("coalescing keeps nobody alive: the claim of a run that wakes keep joining expires all the same [B22]", () => {
  const joined = decided(having(runOf("running", { losses: 1 })), wakeOf(), {
    place: { atMs: startMs + yearMs - 1 },
  });
  expect(joined.verdict?.outcome).toBe("coalesced");
  expect(joined.state.runs[0]!.updatedAtMs).toBe(startMs + yearMs - 1);
  expect(rowsOf(expire(joined.state), "runEnds")).toMatchObject([{ errorCode: "process_lost" }]);
});

test("lost for good: run, wake, event, issue, agent and the next in the queue, together [Z3] [Z4] [R1]", () => {
  const issueId = idOf("issue");
  const lost = runOf("running", { losses: 1, issueId, taskKey: issueId });
  const decision = expire(having(lost, runOf("queued", { id: idOf("next"), taskKey: "next" })));
  expect(rowsOf(decision, "runEnds")).toMatchObject([
    { id: lost.id, status: "failed", errorCode: "process_lost", owesRelease: true },
  ]);
  expect(rowsOf(decision, "wakes")).toMatchObject([{ id: lost.wakeRequestId, status: "failed" }]);
  expect(rowsOf(decision, "events").at(-1)).toMatchObject({ eventType: "error", level: "error" });
  expect(effectsOf(decision, "release")).toMatchObject([{ issueId }]);
  expect(rowsOf(decision, "agents").at(-1)).toMatchObject({ status: "error" });
  expect(decision.state.runs).toMatchObject([{ id: idOf("next"), phase: "dispatched" }]);
  // The same message again finds nobody: what was ended is ended once.
  expect(expire(decision.state, lost).outcome).toBe("stale");
});

test("an attempt that was given to somebody else meanwhile is not lost again [B3]", () => {
  const run = runOf("running", { attempt: 2, losses: 1 });
  expect(expire(having(run), { ...run, attempt: 1 }).outcome).toBe("stale");
});
