import { expect, test } from "vitest";
import type { Agent, Run } from "../../api/types.js";
import { LiveState } from "../../live/live-state.js";
import { chosenRows, countsOf, fleetRows } from "./fleet-rows.js";

const agent = (id: string, more: Partial<Agent> = {}): Agent => ({
  id,
  companyId: "c",
  name: `Agent ${id}`,
  title: null,
  role: "general",
  status: "idle",
  adapterType: "process",
  adapterConfig: {},
  runtimeConfig: {},
  budgetMonthlyCents: 0,
  spentMonthlyCents: 0,
  nextTimerAt: null,
  lastHeartbeatAt: null,
  createdAt: "",
  updatedAt: "",
  ...more,
});

test("a row has what events say before what the list said", () => {
  const live = new LiveState();
  const runs = [
    { runId: "r1", agentId: "a", status: "running", lastEventSeq: 1 },
    { runId: "r2", agentId: "a", status: "queued", lastEventSeq: 1 },
  ];
  const agents = [{ agentId: "a", status: "running", lastHeartbeatAt: null }];
  live.apply({
    type: "snapshot",
    companyId: "c",
    createdAt: "2026-01-01T00:00:00Z",
    payload: { agents, runs },
  });
  const recent = [{ id: "r0", agentId: "a", status: "failed" }] as Run[];
  const [first] = fleetRows(
    [agent("a", { runtimeConfig: { heartbeat: { maxConcurrentRuns: 3 } } })],
    live,
    recent,
  );
  expect(first).toMatchObject({
    status: "running",
    running: 1,
    waiting: 1,
    slots: 3,
    lastOutcome: "failed",
  });
  expect(first?.current?.runId).toBe("r1");
});

test("search needs every word, filters count", () => {
  const rows = fleetRows(
    [agent("a", { name: "Red Fox" }), agent("b", { name: "Red Hen", status: "paused" })],
    new LiveState(),
    [],
  );
  expect(chosenRows(rows, "all", "red hen").map(({ agent: { id } }) => id)).toEqual(["b"]);
  expect(chosenRows(rows, "working", "")).toEqual([]);
  expect(countsOf(rows)).toEqual({ all: 2, working: 0, waiting: 0, paused: 1, trouble: 0 });
});
