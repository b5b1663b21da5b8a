// A run's log in pages: whatever the page size, wherever characters were cut, in whatever order chunks were stored, the pages put
// together are the log, and a page costs what it shows.
import { createHash, randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { followLog, replayLog } from "@reveille/shared/nats/log-stream";
import { headers } from "@reveille/shared/protocol/headers";
import type { LogStreamName } from "@reveille/shared/protocol/subjects";
import { createAgent, eventually, startGatewayRig, subjects } from "./rig.js";
import type { GatewayProcess, GatewayRig } from "./rig.js";

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

interface Page {
  content: string;
  nextOffset?: number;
}
interface Piece {
  seq: number;
  bytes: Uint8Array;
  attempt?: number;
  stream?: LogStreamName;
  end?: string;
}

async function newRun(status = "running"): Promise<string> {
  const runId = randomUUID();
  await rig.database.query(
    `insert into heartbeat_runs (id, company_id, agent_id, status, log_store, log_ref, partition, wake_id, generation, stream_seq)
     values ($1, $2, $3, $4, 'nats', 'ref', 0, 'w', 1, 1)`,
    [runId, companyId, agentId, status],
  );
  return runId;
}

const isOver = (runId: string) =>
  rig.database.query("update heartbeat_runs set status = 'succeeded' where id = $1", [runId]);

async function store(runId: string, pieces: readonly Piece[]): Promise<void> {
  const { toHeaders } = await import("@reveille/shared/nats/bus");
  for (const { seq, bytes, attempt = 1, stream = "stdout", end } of pieces)
    await rig.bus.js.publish(subjects.log(companyId, runId, stream), bytes, {
      headers: toHeaders({
        [headers.logSequence]: String(seq),
        [headers.logAttempt]: String(attempt),
        [headers.logTime]: "2026-01-01T00:00:00.000Z",
        [headers.logOffset]: "0",
        ...(end ? { [headers.logEnd]: end } : {}),
      }),
    });
}

const closing = (seq: number): Piece => ({
  seq,
  bytes: new Uint8Array(),
  stream: "system",
  end: `chunks=${seq}; bytes=0; sha256=${"0".repeat(64)}`,
});

async function page(runId: string, query = ""): Promise<Page> {
  const answer = await gateway.call("GET", `/api/heartbeat-runs/${runId}/log${query}`);
  expect(answer.status).toBe(200);
  return answer.body as Page;
}

/** All pages of a size, put together. */
async function whole(runId: string, limitBytes: number): Promise<string> {
  let text = "";
  for (let offset: number | undefined = 0; offset !== undefined;) {
    const { content, nextOffset }: Page = await page(
      runId,
      `?offset=${offset}&limitBytes=${limitBytes}`,
    );
    expect(content.includes("\ufffd")).toBe(false);
    expect(Buffer.byteLength(content)).toBeLessThanOrEqual(limitBytes + 3);
    text += content;
    offset = nextOffset;
  }
  return text;
}

const chunksOf = (text: string): string =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => (JSON.parse(line) as { chunk: string }).chunk)
    .join("");

/** A text with characters of one to four bytes, cut into pieces of a size without regard for them. */
function cut(text: string, size: number): Piece[] {
  const bytes = Buffer.from(text);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, seq) => ({
    seq,
    bytes: bytes.subarray(seq * size, (seq + 1) * size),
  }));
}

test("pages of every size are the log, also where they or the chunks cut characters [L3] [B27]", async () => {
  const text = "aé€🐧\n".repeat(40);
  const runId = await newRun();
  const pieces = cut(text, 7);
  await store(runId, [...pieces, closing(pieces.length)]);
  await isOver(runId);
  const { content, nextOffset } = await page(runId);
  expect(nextOffset).toBeUndefined();
  expect(chunksOf(content)).toBe(text);
  for (const limit of [50, 1_000, 3_001, 7]) expect(await whole(runId, limit)).toBe(content);
  expect(await page(runId, "?offset=9999999")).toMatchObject({ content: "" });
  expect((await page(runId, "?offset=-5&limitBytes=10")).nextOffset).toBe(10);
  expect((await page(runId, "?limitBytes=0")).content).toBe("{");
  expect((await page(runId, "?offset=abc&limitBytes=xyz")).content).toBe(content);
});

test("a page that can hold a line ends after a whole one, however long the chunks were [B27]", async () => {
  const runId = await newRun();
  const pieces = cut("some words, then the end of the line\n".repeat(2_000), 30_000);
  await store(runId, [...pieces, closing(pieces.length)]);
  await isOver(runId);
  let pages = 0;
  for (let offset: number | undefined = 0; offset !== undefined; pages += 1) {
    const { content, nextOffset }: Page = await page(runId, `?offset=${offset}&limitBytes=16384`);
    expect(content.endsWith("\n")).toBe(true);
    expect(content.startsWith("{")).toBe(true);
    offset = nextOffset;
  }
  expect(pages).toBeGreaterThan(4);
});

test("chunks that were stored twice and out of order are read once and in order", async () => {
  const runId = await newRun();
  const pieces = cut("0123456789", 1);
  const order = [0, 2, 1, 1, 5, 4, 3, 0, 6, 9, 8, 7];
  await store(
    runId,
    order.map((at) => pieces[at]!),
  );
  for (const limit of [64, 100_000]) expect(chunksOf(await whole(runId, limit))).toBe("0123456789");
});

test("a growing log: what is missing in the middle is waited for, at the end it is said", async () => {
  const runId = await newRun();
  const pieces = cut("abcdef", 1);
  await store(runId, [pieces[0]!, pieces[2]!]);
  expect(chunksOf((await page(runId)).content)).toBe("a");
  await store(runId, [pieces[1]!]);
  expect(chunksOf((await page(runId)).content)).toBe("abc");
  await store(runId, [pieces[5]!]);
  await isOver(runId);
  expect(chunksOf((await page(runId)).content)).toBe("abc[2 chunks of the log are lost]\nf");
});

test("a second attempt's output follows the first one's", async () => {
  const runId = await newRun();
  await store(runId, [
    { seq: 0, bytes: Buffer.from("one ") },
    { seq: 0, bytes: Buffer.from("two"), attempt: 2 },
    { seq: 1, bytes: Buffer.from(" late") },
  ]);
  expect(chunksOf((await page(runId)).content)).toBe("one two");
});

test("all pages of a long log cost about as much as reading it once", async () => {
  const runId = await newRun("succeeded");
  const bytes = Buffer.alloc(32 * 1024, "x");
  const count = 400;
  const sent = Array.from({ length: count }, (_, seq) => store(runId, [{ seq, bytes }]));
  await Promise.all(sent);
  const expected = count * bytes.length;
  const timed = async (limit: number): Promise<number> => {
    const started = performance.now();
    expect(chunksOf(await whole(runId, limit))).toHaveLength(expected);
    return performance.now() - started;
  };
  await timed(1_048_576);
  const [large, small] = [await timed(1_048_576), await timed(32_768)];
  // 32 times as many pages; without the remembered points it would be 200 times the reading.
  expect(small).toBeLessThan(large * 32 + 5_000);
  expect((await rig.bus.jsm.streams.info("LOGS")).state.consumer_count).toBe(0);
}, 60_000);

test("following shows each byte once, from before, during and after, and ends with the run", async () => {
  const runId = await newRun();
  const pieces = cut("0123456789".repeat(500), 10);
  await store(runId, pieces.slice(0, 200));
  const source = { bus: rig.bus, subjects, companyId, runId };
  let over: () => void = () => undefined;
  const end = new Promise<void>((resolve) => {
    over = resolve;
  });
  const seen: Buffer[] = [];
  const following = (async () => {
    for await (const chunk of followLog(source, { over: end })) seen.push(Buffer.from(chunk.bytes));
  })();
  await eventually("the stored part is told", () => seen.length >= 200);
  // Twice and in a wrong order: as a publisher that got no answer does it.
  await store(runId, [...pieces.slice(300, 500), ...pieces.slice(150, 310), closing(500)]);
  await eventually("all is told", () => seen.length === 501);
  over();
  await following;
  const told = createHash("sha256").update(Buffer.concat(seen)).digest("hex");
  expect(told).toBe(createHash("sha256").update("0123456789".repeat(500)).digest("hex"));
  const replayed: Buffer[] = [];
  for await (const chunk of replayLog(source)) replayed.push(Buffer.from(chunk.bytes));
  expect(Buffer.concat(replayed).equals(Buffer.concat(seen))).toBe(true);
});

test("following survives a server that dies and comes back, and ends with the closing message", async () => {
  const runId = await newRun();
  const pieces = cut("abcdefghij", 1);
  await store(runId, pieces.slice(0, 3));
  const seen: string[] = [];
  const following = (async () => {
    for await (const chunk of followLog({ bus: rig.bus, subjects, companyId, runId }))
      seen.push(Buffer.from(chunk.bytes).toString());
  })();
  await eventually("the first part is told", () => seen.length === 3);
  await rig.nats.kill();
  await rig.nats.start();
  await eventually("connected again", () => rig.bus.connected);
  await eventually("the stream is back", async () => {
    return rig.bus.jsm.streams.info("LOGS").then(
      () => true,
      () => false,
    );
  });
  await store(runId, [...pieces.slice(3), closing(10)]);
  await following;
  expect(seen.join("")).toBe("abcdefghij");
}, 60_000);
