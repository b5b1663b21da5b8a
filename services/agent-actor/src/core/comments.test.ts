// Comments on what an agent works on: none goes to a process that has started, none is lost, and they come in order.
import { runIdOfWake } from "@reveille/shared/protocol/ids";
import { expect, test } from "vitest";
import type { LockOutcome } from "./delivery.js";
import type { AgentState, Json } from "./state.js";
import {
  agentOf,
  companyId,
  finishOf,
  idOf,
  inputsOf,
  reportOf,
  runOf,
  wakeOf,
} from "./testing/fixtures.js";
import { decided, effectsOf } from "./testing/given.js";

const issueId = idOf("issue");
const known = (locks: Readonly<Record<string, LockOutcome>> = {}) =>
  inputsOf({ issues: [issueId], locks });
const comment = (name: string, scope: Json) =>
  wakeOf({
    id: `wake-${name}`,
    source: "automation",
    contextSnapshot: { ...scope, commentId: name },
  });

test("on a task: one follow-up behind what runs gathers them all, in order [T3] [T4] [B12]", () => {
  let state: AgentState = { ...agentOf(), runs: [runOf("running", { taskKey: "t" })] };
  for (const name of ["a", "b", "c"]) state = decided(state, comment(name, { taskKey: "t" })).state;
  expect(state.runs).toHaveLength(2);
  expect(state.runs[0]!.context).toEqual({});
  const first = state.runs[0]!;
  const ended = decided(state, {
    kind: "run.finished",
    body: { ...reportOf(first), ...finishOf() },
  });
  expect(effectsOf(ended, "dispatch")).toMatchObject([
    {
      execution: {
        context: { commentId: "c", wakeCommentId: "c", wakeCommentIds: ["a", "b", "c"] },
      },
    },
  ]);
});

test("on an issue that the agent's own run holds: they wait at the lock like anybody, in one wake [I7] [B12]", () => {
  const own = runOf("running", { issueId, taskKey: issueId });
  let state: AgentState = { ...agentOf({ heartbeat: { maxConcurrentRuns: 2 } }), runs: [own] };
  const runId = runIdOfWake(companyId, state.agent.id, "wake-a");
  const outcomes = ["a", "b"].map((name) => {
    const inputs = known({ [runId]: "waiting" });
    const decision = decided(state, comment(name, { issueId }), { inputs });
    state = decision.state;
    return decision.verdict?.outcome;
  });
  expect(outcomes).toEqual(["deferred", "coalesced"]);
  expect(state.runs).toEqual([own]);
  expect(state.waits).toMatchObject([{ runId, context: { wakeCommentIds: ["a", "b"] } }]);
});

test("without a free slot the follow-up on an issue is queued and gathers them too [I7] [B12]", () => {
  let state: AgentState = { ...agentOf(), runs: [runOf("running", { issueId, taskKey: issueId })] };
  for (const name of ["a", "b"])
    state = decided(state, comment(name, { issueId }), { inputs: known() }).state;
  expect(state.runs).toMatchObject([
    { phase: "running" },
    { phase: "queued", issueId, context: { wakeCommentIds: ["a", "b"] } },
  ]);
});
