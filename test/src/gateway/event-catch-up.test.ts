// A reader of live events that was away: the snapshot and the events by their numbers tell it everything, also when the gateway that it
// was connected to is gone.
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createAgent, eventually, startGatewayRig, subjects } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";
import { insertRun } from "./tenants.js";

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

interface Frame {
  id: number;
  type: string;
  createdAt: string;
  payload: Row;
}

async function connect(to: GatewayProcess, query = "") {
  const url = `${to.http.replace("http", "ws")}/api/companies/${companyId}/events/ws${query}`;
  const socket = new WebSocket(url);
  const frames: Frame[] = [];
  socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame));
  const closed = new Promise<number>((resolve) => socket.once("close", (code) => resolve(code)));
  const refused = new Promise<number>((resolve) =>
    socket.once("unexpected-response", (_, response) => resolve(response.statusCode ?? 0)),
  );
  socket.on("error", () => undefined);
  const opened = new Promise<200>((resolve) => socket.once("open", () => resolve(200)));
  return { socket, frames, closed, status: await Promise.race([opened, refused]) };
}

/** One event of a run, as its actor writes and tells it. */
async function event(runId: string, seq: number, tell = true): Promise<void> {
  const payload = { runId, agentId, seq, eventType: "adapter.note", message: `n${seq}` };
  await rig.database.query(
    `insert into heartbeat_run_events (company_id, run_id, agent_id, seq, event_type, message)
     values ($1, $2, $3, $4, 'adapter.note', $5)`,
    [companyId, runId, agentId, seq, payload.message],
  );
  await rig.database.query("update heartbeat_runs set last_event_seq = $2 where id = $1", [
    runId,
    seq,
  ]);
  if (!tell) return;
  const type = "heartbeat.run.event";
  const frame = { type, companyId, createdAt: new Date().toISOString(), payload };
  rig.bus.publish(subjects.event(companyId, type), Buffer.from(JSON.stringify(frame)));
}
const numbersOf = (frames: readonly Frame[], runId: string): unknown[] =>
  frames
    .filter(({ type, payload }) => type === "heartbeat.run.event" && payload["runId"] === runId)
    .map(({ payload }) => payload["seq"]);
const has = (frames: readonly Frame[], wanted: string): boolean =>
  frames.some(({ type }) => type === wanted);

test("without a question only live frames come", async () => {
  const { socket, frames } = await connect(gateway);
  const runId = await insertRun(rig.database, { companyId, agentId });
  await event(runId, 1);
  await eventually("the event", () => frames.length === 1);
  expect(frames[0]).toMatchObject({ id: 1, type: "heartbeat.run.event" });
  socket.terminate();
});

test("a snapshot tells the state of agents and live runs", async () => {
  const runId = await insertRun(rig.database, { companyId, agentId });
  const over = await insertRun(rig.database, { companyId, agentId, status: "failed" });
  await rig.database.query("update heartbeat_runs set live = false where id = $1", [over]);
  await event(runId, 1, false);
  const { socket, frames } = await connect(gateway, "?snapshot=1");
  await eventually("all is told", () => has(frames, "caught-up"));
  expect(frames.map(({ type }) => type)).toEqual(["snapshot", "caught-up"]);
  const { agents, runs } = frames[0]!.payload as { agents: Row[]; runs: Row[] };
  expect(agents).toEqual([{ agentId, status: "idle", lastHeartbeatAt: null }]);
  expect(runs).toContainEqual(
    expect.objectContaining({ runId, agentId, status: "running", lastEventSeq: 1 }),
  );
  expect(runs.some((run) => run["runId"] === over)).toBe(false);
  expect(frames[1]!.payload).toEqual({ complete: true });
  socket.terminate();
});

test("a reader whose gateway dies comes back to another and misses nothing", async () => {
  const first = await rig.gateway();
  const runId = await insertRun(rig.database, { companyId, agentId });
  const before = await connect(first);
  await event(runId, 1);
  await event(runId, 2);
  await eventually("two events", () => numbersOf(before.frames, runId).length === 2);
  first.child.kill("SIGKILL");
  await before.closed;
  // While it is away: more events of its run, a run that it never saw, and one that is over by now.
  await event(runId, 3);
  await event(runId, 4);
  const unseen = await insertRun(rig.database, { companyId, agentId });
  await event(unseen, 1);
  const short = await insertRun(rig.database, { companyId, agentId, status: "succeeded" });
  await event(short, 1);
  await event(short, 2);
  await rig.database.query("update heartbeat_runs set live = false where id = $1", [short]);

  const since = before.frames.at(-1)!.createdAt;
  const query = `?since=${encodeURIComponent(since)}&runs=${runId}:2`;
  const after = await connect(gateway, query);
  await event(runId, 5);
  await eventually(
    "all is told",
    () => has(after.frames, "caught-up") && numbersOf(after.frames, runId).includes(5),
  );
  // An event of the moment of the snapshot may come twice; its number says so.
  const seen = new Set([...numbersOf(before.frames, runId), ...numbersOf(after.frames, runId)]);
  expect([...seen]).toEqual([1, 2, 3, 4, 5]);
  expect(numbersOf(after.frames, runId)).not.toContain(2);
  expect(numbersOf(after.frames, unseen)).toEqual([1]);
  expect(numbersOf(after.frames, short)).toEqual([1, 2]);
  const { runs } = after.frames[0]!.payload as { runs: Row[] };
  expect(runs).toContainEqual(expect.objectContaining({ runId: short, status: "succeeded" }));
  after.socket.terminate();
});

test("events while the snapshot is read come after it, none is lost", async () => {
  const runId = await insertRun(rig.database, { companyId, agentId });
  let seq = 0;
  let writing = true;
  const writer = (async () => {
    while (writing) await event(runId, (seq += 1));
  })();
  for (let round = 0; round < 10; round += 1) {
    await eventually("more events", () => seq > round * 5);
    const { socket, frames } = await connect(gateway, `?runs=${runId}:0`);
    const wanted = seq + 3;
    await eventually("some came live", () => numbersOf(frames, runId).includes(wanted));
    const told = [...new Set(numbersOf(frames, runId))];
    expect(told).toEqual(Array.from({ length: told.length }, (_, at) => at + 1));
    socket.terminate();
  }
  writing = false;
  await writer;
});

test.each(["?since=yesterday", "?runs=abc", "?runs=abc:1", "?snapshot=1&runs=:"])(
  "%s is refused",
  async (query) => {
    expect((await connect(gateway, query)).status).toBe(400);
  },
);
