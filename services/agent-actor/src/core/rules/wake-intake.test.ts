// Who may be woken, by what, and what is kept of the wake. The ids are rows of docs/behaviour.md.
import { wakeRequestSchema, wakeSources } from "@reveille/shared/protocol/wake";
import { expect, test } from "vitest";
import { agentOf, companyId, idOf, inputsOf, startMs, wakeOf } from "../testing/fixtures.js";
import { decided, effectsOf, rowsOf } from "../testing/given.js";

test("a wake without options is on demand, with nothing else said [W1]", () => {
  const body = wakeRequestSchema.parse({});
  expect(rowsOf(decided(agentOf(), { kind: "wake", body }), "wakes")).toMatchObject([
    { source: "on_demand", triggerDetail: null, reason: null, payload: null },
  ]);
});

test.each(["idle", "active", "running", "error"] as const)(
  "an agent that is %s accepts it [W4]",
  (status) => {
    expect(decided(agentOf({ status }), wakeOf()).verdict?.outcome).toBe("queued");
  },
);

test.each(["paused", "terminated", "pending_approval"] as const)(
  "no source opens the gate of an agent that is %s [W3] [B19]",
  (status) => {
    for (const source of wakeSources)
      expect(decided(agentOf({ status }), wakeOf({ source })).verdict).toMatchObject({
        outcome: "rejected",
        details: { status },
      });
  },
);

test("the row keeps what was asked, by whom, and when [W11]", () => {
  const asked = {
    source: "automation",
    triggerDetail: "callback",
    reason: "why",
    payload: { taskKey: "T", x: 1 },
    requestedByActorType: "user",
    requestedByActorId: "somebody",
    idempotencyKey: "key",
  } as const;
  const decision = decided(agentOf(), wakeOf(asked), { place: { atMs: startMs } });
  expect(rowsOf(decision, "wakes")).toMatchObject([
    { ...asked, companyId, agentId: idOf("ada"), requestedAt: "2026-01-01T00:00:00.000Z" },
  ]);
});

test("a wake with a source and a trigger alone is what an invocation is [W13]", () => {
  const wake = wakeOf({ source: "on_demand", triggerDetail: "manual" });
  expect(rowsOf(decided(agentOf(), wake), "runs")).toMatchObject([
    {
      invocationSource: "on_demand",
      triggerDetail: "manual",
      contextSnapshot: { wakeSource: "on_demand", wakeTriggerDetail: "manual" },
    },
  ]);
});

test.each([
  ["skipped", agentOf({ heartbeat: { wakeOnDemand: false } }), wakeOf(), inputsOf()],
  ["skipped", agentOf(), wakeOf({ payload: { issueId: idOf("unknown") } }), inputsOf()],
  ["rejected", agentOf({ status: "paused" }), wakeOf(), inputsOf()],
  ["rejected", agentOf(), wakeOf(), inputsOf({ company: { status: "paused" } })],
  ["rejected", agentOf(), wakeOf(), inputsOf({ company: { status: "archived" } })],
] as const)(
  "what is %s announces and starts nothing [I11] [B35]",
  (outcome, state, wake, inputs) => {
    const decision = decided(state, wake, { inputs });
    expect(decision.verdict?.outcome).toBe(outcome);
    expect(decision.effects).toEqual([]);
    expect(decision.state.runs).toEqual([]);
    expect(rowsOf(decision, "runs")).toEqual([]);
  },
);

test("a new run is announced once, with its wake and agent [I3]", () => {
  const decision = decided(agentOf(), wakeOf({ triggerDetail: "ping" }));
  const [run] = rowsOf(decision, "runs");
  const queued = effectsOf(decision, "announce").filter(
    ({ type }) => type === "heartbeat.run.queued",
  );
  expect(queued).toMatchObject([
    {
      companyId,
      payload: {
        runId: run?.["id"],
        agentId: idOf("ada"),
        invocationSource: "on_demand",
        triggerDetail: "ping",
        wakeupRequestId: run?.["wakeupRequestId"],
      },
    },
  ]);
});
