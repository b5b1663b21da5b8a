// A run's log as a stream: every byte once from the beginning to the end of the run, over Server-Sent Events and WebSocket, also for
// a reader that comes back to another gateway with the last id it has.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { headers } from "@reveille/shared/protocol/headers";
import { toHeaders } from "@reveille/shared/nats/bus";
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

interface Told {
  event: string;
  id: string;
  data: Row;
}
interface Reader {
  told: Told[];
  ended: Promise<void>;
  stop(): void;
}

/** Characters of one to four bytes, so that chunks cut them. */
const text = "aé€🐧 0123456789\n".repeat(30);

async function store(runId: string, from: number, to: number, size = 7): Promise<void> {
  const bytes = Buffer.from(text);
  for (let seq = from; seq < to && seq * size < bytes.length; seq += 1)
    await rig.bus.js.publish(
      subjects.log(companyId, runId, "stdout"),
      bytes.subarray(seq * size, (seq + 1) * size),
      {
        headers: toHeaders({
          [headers.logSequence]: String(seq),
          [headers.logAttempt]: "1",
          [headers.logTime]: "2026-01-01T00:00:00.000Z",
          [headers.logOffset]: String(seq * size),
        }),
      },
    );
}
const chunksOfText = Math.ceil(Buffer.byteLength(text) / 7);

async function end(runId: string, status = "succeeded"): Promise<void> {
  await rig.database.query(
    "update heartbeat_runs set status = $2, exit_code = 0, finished_at = now() where id = $1",
    [runId, status],
  );
  const type = "heartbeat.run.status";
  const payload = { runId, status };
  const frame = { type, companyId, createdAt: new Date().toISOString(), payload };
  rig.bus.publish(subjects.event(companyId, type), Buffer.from(JSON.stringify(frame)));
}

/** Reads Server-Sent Events until they end or the reader is stopped. */
async function follow(
  from: GatewayProcess,
  runId: string,
  init: { headers?: Record<string, string>; query?: string } = {},
): Promise<Reader> {
  const stop = new AbortController();
  const response = await fetch(
    `${from.http}/api/heartbeat-runs/${runId}/log/stream${init.query ?? ""}`,
    { signal: stop.signal, headers: { accept: "text/event-stream", ...init.headers } },
  );
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  const told: Told[] = [];
  const read = async (): Promise<void> => {
    let rest = "";
    for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
      const blocks = (rest + part).split("\n\n");
      rest = blocks.pop()!;
      for (const block of blocks) {
        const found = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(block);
        if (found)
          told.push({ id: found[1]!, event: found[2]!, data: JSON.parse(found[3]!) as Row });
      }
    }
  };
  return { told, ended: read(), stop: () => stop.abort() };
}

const textOf = (told: readonly Told[]): string =>
  told
    .filter(({ event }) => event === "log")
    .map(({ data }) => String(data["chunk"]))
    .join("");

describe("Server-Sent Events", () => {
  test("tell what was and what comes, and end with the run [L3] [B27]", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId });
    await store(runId, 0, 20);
    const reader = await follow(gateway, runId);
    await eventually("the stored part is told", () => reader.told.length > 10);
    await store(runId, 20, chunksOfText);
    await end(runId);
    await reader.ended;
    expect(textOf(reader.told)).toBe(text);
    expect(reader.told.at(-1)).toMatchObject({
      event: "end",
      data: { status: "succeeded", exitCode: 0 },
    });
  });

  test("of a run that is over are its log and its end", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId, status: "failed" });
    await store(runId, 0, chunksOfText);
    const reader = await follow(gateway, runId);
    await reader.ended;
    expect(textOf(reader.told)).toBe(text);
    expect(reader.told.at(-1)).toMatchObject({ event: "end", data: { status: "failed" } });
  });

  test("go on where the reader was, wherever it left, at another gateway too", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId });
    await store(runId, 0, chunksOfText);
    await end(runId);
    const whole = await follow(gateway, runId);
    await whole.ended;
    const other = await rig.gateway();
    for (const at of [0, 1, 17, 60, whole.told.length - 2]) {
      const { id } = whole.told[at]!;
      const again = await follow(other, runId, { headers: { "last-event-id": id } });
      await again.ended;
      expect(again.told).toEqual(whole.told.slice(at + 1));
      const byQuery = await follow(gateway, runId, { query: `?after=${id}` });
      await byQuery.ended;
      expect(byQuery.told).toEqual(again.told);
    }
  });

  test("break off when their gateway stops; the reader misses nothing", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId });
    const first = await rig.gateway();
    await store(runId, 0, 30);
    const reader = await follow(first, runId);
    await eventually("some is told", () => reader.told.length > 15);
    first.child.kill("SIGTERM");
    await reader.ended.catch(() => undefined);
    await first.exited;
    expect(reader.told.some(({ event }) => event === "end")).toBe(false);
    await store(runId, 30, chunksOfText);
    const again = await follow(gateway, runId, {
      headers: { "last-event-id": reader.told.at(-1)!.id },
    });
    await end(runId);
    await again.ended;
    expect(textOf([...reader.told, ...again.told])).toBe(text);
  });

  test("leave nothing behind when their reader goes away", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId });
    const readers = await Promise.all(Array.from({ length: 5 }, () => follow(gateway, runId)));
    const open = async (n: number): Promise<boolean> =>
      String((await gateway.call("GET", "/metrics")).body).includes(`reveille_log_streams ${n}\n`);
    await eventually("five are open", () => open(5));
    for (const reader of readers) {
      reader.stop();
      await reader.ended.catch(() => undefined);
    }
    await eventually("none is open", () => open(0));
  });

  test("refuse a place that is none, an unknown run and an unknown question", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId });
    const path = `/api/heartbeat-runs/${runId}/log/stream`;
    const bad = { headers: { "last-event-id": "7" } };
    expect((await gateway.call("GET", path, undefined, bad)).body).toMatchObject({
      status: 400,
      errors: [{ path: "Last-Event-ID" }],
    });
    expect((await gateway.call("GET", `${path}?after=x`)).status).toBe(400);
    expect((await gateway.call("GET", `${path}?from=1`)).body).toMatchObject({
      status: 400,
      errors: [{ path: "from" }],
    });
    const nobody = "/api/heartbeat-runs/00000000-0000-4000-8000-000000000000/log/stream";
    expect((await gateway.call("GET", nobody)).status).toBe(404);
  });
});

describe("WebSocket", () => {
  const open = (runId: string, query = "") => {
    const url = `${gateway.http.replace("http", "ws")}/api/heartbeat-runs/${runId}/log/ws${query}`;
    const socket = new WebSocket(url);
    const told: Told[] = [];
    socket.on("message", (data: Buffer) => told.push(JSON.parse(data.toString()) as Told));
    const code = new Promise<number>((resolve) => {
      socket.once("close", (closed) => resolve(closed));
      socket.once("error", () => resolve(0));
    });
    return { told, code };
  };

  test("tells the same frames and closes with the run", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId });
    await store(runId, 0, 20);
    const { told, code } = open(runId);
    await eventually("the stored part is told", () => told.length > 10);
    await store(runId, 20, chunksOfText);
    await end(runId);
    expect(await code).toBe(1000);
    expect(textOf(told)).toBe(text);
    expect(told.at(-1)).toMatchObject({ event: "end", data: { status: "succeeded" } });
    const again = open(runId, `?after=${told[4]!.id}`);
    await again.code;
    expect(again.told).toEqual(told.slice(5));
  });

  test("is refused before the upgrade", async () => {
    const runId = await insertRun(rig.database, { companyId, agentId });
    expect(await open(runId, "?after=x").code).toBe(0);
    expect(await open(runId, "?token=nonsense").code).toBe(0);
    const other = await createAgent(gateway);
    const token = await createBoardToken(rig.database, other.companyId);
    expect(await open(runId, `?token=${token}`).code).toBe(0);
    const own = await createBoardToken(rig.database, companyId);
    await end(runId);
    expect(await open(runId, `?token=${own}`).code).toBe(1000);
  });
});
