import { expect, test } from "vitest";
import { lastLine, LiveState } from "./live-state.js";
import type { Frame } from "./live-state.js";

const frame = (type: string, payload: Record<string, unknown>, second = 0): Frame => ({
  type,
  companyId: "c",
  createdAt: `2026-01-01T00:00:${String(second).padStart(2, "0")}.000Z`,
  payload,
});
const snapshot = (runs: object[] = []): Frame =>
  frame("snapshot", { agents: [{ agentId: "a", status: "idle", lastHeartbeatAt: null }], runs });

test("a run is followed from its queue to its end", () => {
  const state = new LiveState();
  state.apply(snapshot());
  state.apply(frame("heartbeat.run.queued", { runId: "r", agentId: "a" }, 1));
  state.apply(frame("agent.status", { agentId: "a", status: "running" }, 2));
  state.apply(frame("heartbeat.run.status", { runId: "r", agentId: "a", status: "running" }, 2));
  state.apply(frame("heartbeat.run.log", { runId: "r", chunk: "\u001b[1mone\u001b[0m\ntwo\n" }, 3));
  expect(state.runs.get("r")).toMatchObject({
    status: "running",
    line: "two",
    createdAt: "2026-01-01T00:00:01.000Z",
  });
  state.apply(frame("heartbeat.run.status", { runId: "r", agentId: "a", status: "succeeded" }, 4));
  state.apply(frame("agent.status", { agentId: "a", status: "idle", outcome: "succeeded" }, 4));
  expect(state.runs.get("r")?.status).toBe("succeeded");
  expect(state.agents.get("a")).toMatchObject({ status: "idle", outcome: "succeeded" });
});

test("an event that comes twice is told once", () => {
  const state = new LiveState();
  state.apply(snapshot([{ runId: "r", agentId: "a", status: "running", lastEventSeq: 2 }]));
  const third = frame("heartbeat.run.event", { runId: "r", seq: 3 });
  expect([state.apply(third), state.apply(third)]).toEqual([true, false]);
});

test("what is over does not come to life by a frame that is late", () => {
  const state = new LiveState();
  state.apply(snapshot([{ runId: "r", agentId: "a", status: "succeeded", lastEventSeq: 4 }]));
  expect(state.apply(frame("heartbeat.run.status", { runId: "r", status: "running" }))).toBe(false);
  expect(state.apply(frame("heartbeat.run.queued", { runId: "r", agentId: "a" }))).toBe(false);
  expect(state.runs.get("r")?.status).toBe("succeeded");
});

test("a new connection asks for what it missed of the runs that live", () => {
  const state = new LiveState();
  expect(state.resumeQuery()).toBe("snapshot=1");
  state.apply(snapshot([{ runId: "r", agentId: "a", status: "running", lastEventSeq: 2 }]));
  state.apply(frame("heartbeat.run.event", { runId: "r", seq: 3 }, 9));
  expect(state.resumeQuery()).toBe("since=2026-01-01T00%3A00%3A09.000Z&runs=r:3");
});

test("after an absence the snapshot says what is there, and runs that are gone are gone", () => {
  const state = new LiveState();
  state.apply(snapshot([{ runId: "old", agentId: "a", status: "running", lastEventSeq: 2 }]));
  state.apply(snapshot([{ runId: "new", agentId: "a", status: "queued", lastEventSeq: 1 }]));
  expect([...state.runs.keys()]).toEqual(["new"]);
});

test("the last line has no escapes and a bound", () => {
  expect(lastLine("a\n\u001b[31mb\u001b[0m\u0007\n\n")).toBe("b\u2407");
  expect(lastLine("\n\r\n")).toBeNull();
  expect(lastLine("x".repeat(100_000))?.length).toBe(400);
});
