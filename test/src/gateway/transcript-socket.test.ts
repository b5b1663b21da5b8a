// What a run's agent does, over WebSocket: entries as they are told, and the run's end.
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createAgent, eventually, startGatewayRig, subjects } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";
import { createBoardToken, insertRun } from "./tenants.js";

let rig: GatewayRig;
let gateway: GatewayProcess;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway();
  ({ companyId, agentId } = await createAgent(gateway));
});
afterAll(() => rig?.stop());

function open(runId: string, query = "") {
  const base = gateway.http.replace("http", "ws");
  const socket = new WebSocket(`${base}/api/heartbeat-runs/${runId}/transcript/ws${query}`);
  const told: Row[] = [];
  socket.on("message", (data: Buffer) => told.push(JSON.parse(data.toString()) as Row));
  const code = new Promise<number>((resolve) => {
    socket.once("close", (closed) => resolve(closed));
    socket.once("error", () => resolve(0));
  });
  return { told, code };
}

const tell = (runId: string, first: number, text: string): void => {
  const at = "2026-01-01T00:00:00.000Z";
  const entries = [{ kind: "text", text }];
  const frame = { companyId, agentId, runId, attempt: 1, first, at, entries };
  rig.bus.publish(subjects.transcript(companyId, runId), Buffer.from(JSON.stringify(frame)));
};

test("entries are told as they come, and the end of the run closes it", async () => {
  const runId = await insertRun(rig.database, { companyId, agentId });
  const { told, code } = open(runId);
  await eventually("it listens", () => told.length > 0);
  tell(runId, 0, "hello");
  rig.bus.publish(subjects.transcript(companyId, runId), Buffer.from("{not a frame"));
  tell(runId, 1, "world");
  await eventually("both are told", () => told.length > 2);
  await rig.database.query(
    "update heartbeat_runs set status = 'succeeded', exit_code = 0, finished_at = now() where id = $1",
    [runId],
  );
  const payload = { runId, status: "succeeded" };
  const type = "heartbeat.run.status";
  const event = { type, companyId, createdAt: new Date().toISOString(), payload };
  rig.bus.publish(subjects.event(companyId, type), Buffer.from(JSON.stringify(event)));
  expect(await code).toBe(1000);
  expect(told).toMatchObject([
    { event: "listening" },
    { event: "entries", data: { attempt: 1, first: 0, entries: [{ text: "hello" }] } },
    { event: "entries", data: { first: 1, entries: [{ text: "world" }] } },
    { event: "end", data: { status: "succeeded", exitCode: 0 } },
  ]);
});

test("it is refused before the upgrade", async () => {
  const runId = await insertRun(rig.database, { companyId, agentId });
  expect(await open("x").code).toBe(0);
  expect(await open(runId, "?token=nonsense").code).toBe(0);
  const other = await createAgent(gateway);
  const token = await createBoardToken(rig.database, other.companyId);
  expect(await open(runId, `?token=${token}`).code).toBe(0);
});
