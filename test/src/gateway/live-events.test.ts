// Live events over WebSocket: who gets in, what comes out, and what happens to a reader that does not read.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createAgent, eventually, startGatewayRig, subjects } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";

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

type Opened =
  | { open: true; socket: WebSocket; frames: Row[]; closed: Promise<number> }
  | { open: false; status: number; body: string };

function connect(company: string, headers: Record<string, string> = {}, query = "") {
  const url = `${gateway.http.replace("http", "ws")}/api/companies/${company}/events/ws${query}`;
  return new Promise<Opened>((resolve, reject) => {
    const socket = new WebSocket(url, { headers });
    const frames: Row[] = [];
    const closed = new Promise<number>((done) => socket.once("close", (code) => done(code)));
    socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString()) as Row));
    socket.once("open", () => resolve({ open: true, socket, frames, closed }));
    socket.once("unexpected-response", (_, response) => {
      let body = "";
      response.on("data", (part) => (body += String(part)));
      response.on("end", () => resolve({ open: false, status: response.statusCode ?? 0, body }));
    });
    socket.once("error", (error) => reject(error));
  });
}

async function opened(...call: Parameters<typeof connect>) {
  const connection = await connect(...call);
  if (!connection.open) throw new Error(`refused: ${connection.status} ${connection.body}`);
  return connection;
}

const publish = (company: string, type: string, payload: Row): void =>
  rig.bus.publish(
    subjects.event(company, type),
    Buffer.from(
      JSON.stringify({ type, companyId: company, createdAt: new Date().toISOString(), payload }),
    ),
  );

describe("before the upgrade", () => {
  test.each<[string, () => string, Record<string, string>, string, number]>([
    ["an unknown company", () => randomUUID(), {}, "", 404],
    ["no UUID", () => "a.b", {}, "", 400],
    ["a wildcard", () => "*", {}, "", 400],
    ["an unknown bearer", () => companyId, { authorization: "Bearer nope" }, "", 401],
    ["an unknown token", () => companyId, {}, "?token=nope", 401],
    ["a page of another site", () => companyId, { origin: "https://example.org" }, "", 403],
  ])("%s is refused", async (_, company, headers, query, status) => {
    expect(await connect(company(), headers, query)).toMatchObject({ open: false, status });
  });

  test("an agent's key opens its own company's events and no other's", async () => {
    const other = await createAgent(gateway);
    const made = await gateway.call("POST", `/api/agents/${agentId}/keys`, { name: "k" });
    const { token } = made.body as { token: string };
    const bearer = { authorization: `Bearer ${token}` };
    for (const own of [
      await opened(companyId, bearer),
      await opened(companyId, {}, `?token=${token}`),
    ])
      own.socket.terminate();
    expect(await connect(other.companyId, bearer)).toMatchObject({ open: false, status: 403 });
  });
});

test("frames are Paperclip's, numbered per connection, and of this company only", async () => {
  const other = await createAgent(gateway);
  const { socket, frames } = await opened(companyId);
  publish(other.companyId, "agent.status", { agentId: other.agentId });
  publish(companyId, "agent.status", { agentId, status: "running", outcome: "running" });
  publish(companyId, "heartbeat.run.log", { runId: "r", chunk: "x" });
  await eventually("two frames", () => frames.length === 2);
  expect(frames).toEqual([
    {
      id: 1,
      companyId,
      type: "agent.status",
      createdAt: expect.any(String),
      payload: { agentId, status: "running", outcome: "running" },
    },
    expect.objectContaining({ id: 2, type: "heartbeat.run.log" }),
  ]);
  socket.terminate();
});

test("what the gateway writes is told with who did it", async () => {
  const { socket, frames } = await opened(companyId);
  const { body } = await gateway.call("POST", `/api/companies/${companyId}/agents`, { name: "N" });
  await eventually("it is told", () => frames.length > 0);
  expect(frames[0]).toMatchObject({
    type: "activity.logged",
    payload: {
      action: "agent.created",
      actorType: "user",
      actorId: "local-board",
      agentId: null,
      runId: null,
      entityType: "agent",
      entityId: (body as Row)["id"],
      details: { name: "N", role: "general" },
    },
  });
  socket.terminate();
});

test("one NATS subscription serves all readers of a company", async () => {
  const { companyId: company } = await createAgent(gateway);
  const count = async (): Promise<number> => {
    const answer = await fetch(`${rig.nats.monitorUrl}/subsz`);
    return ((await answer.json()) as { num_subscriptions: number }).num_subscriptions;
  };
  const before = await count();
  const readers = await Promise.all(Array.from({ length: 20 }, () => opened(company)));
  expect(await count()).toBe(before + 1);
  publish(company, "agent.status", { n: 1 });
  await eventually("everybody hears it", () => readers.every(({ frames }) => frames.length === 1));
  for (const { socket } of readers) socket.terminate();
  await eventually("the subscription goes", async () => (await count()) === before);
});

test("a reader that does not read is let go, and the others hear everything", async () => {
  const { companyId: company } = await createAgent(gateway);
  const slow = await opened(company);
  const quick = await opened(company);
  slow.socket.pause();
  const chunk = "x".repeat(8 * 1024);
  for (let n = 0; n < 3_000; n += 1) {
    publish(company, "heartbeat.run.log", { n, chunk });
    // The quick one keeps up, however busy the machine is.
    if (n % 100 === 0) await eventually("it keeps up", () => quick.frames.length >= n - 100);
  }
  await eventually("the quick one has all", () => quick.frames.length === 3_000);
  await eventually("the slow one is dropped", async () => {
    const { body } = await gateway.call("GET", "/metrics");
    return String(body).includes("reveille_event_sockets_dropped_total 1");
  });
  slow.socket.resume();
  expect([1006, 1013]).toContain(await slow.closed);
  quick.socket.terminate();
}, 60_000);
