// Logs: every byte, in order, whatever the bytes are; bounded memory; an honest gap when they cannot be stored.
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectBus } from "@reveille/shared/nats/bus";
import type { EventFrame } from "@reveille/shared/protocol/events";
import { headers } from "@reveille/shared/protocol/headers";
import { newId } from "@reveille/shared/protocol/ids";
import { eventually, followLog, startRig, subjects } from "./rig.js";
import type { Rig, RunnerProcess } from "./rig.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-logs-"));
let rig: Rig;
let runner: RunnerProcess;
beforeAll(async () => {
  // A full lease: NATS is away for a while below, and that alone must kill nothing.
  rig = await startRig(scratch, 30_000);
  runner = await rig.runner();
});
afterAll(async () => {
  await rig.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const node = (script: string) => ({ command: process.execPath, args: ["-e", script] });

/** Enqueues a run whose log is followed from the beginning. */
async function followed(adapterConfig: Record<string, unknown>) {
  const ids = { companyId: newId(), runId: newId() };
  const log = followLog(rig.bus, ids);
  await rig.bus.flush();
  return { run: await rig.enqueue(adapterConfig, ids), log };
}

test("bytes that are no text come through as they are, and the texts made of them are valid [B27]", async () => {
  // A split emoji, lone continuation bytes, NUL, ANSI, CR, 0xFF; one byte at a time, both streams.
  const bytes = Buffer.concat([
    Buffer.from("a\u{1F427}\0\u001b[31mred\r\n", "utf8"),
    Buffer.from([0xf0, 0x9f, 0x90, 0xff, 0x80, 0xc3]),
  ]);
  const { run, log } = await followed(
    node(`
      const fs = require("fs"), bytes = Buffer.from("${bytes.toString("hex")}", "hex");
      for (let n = 0; n < 50; n++) for (const byte of bytes) fs.writeSync(1, Buffer.from([byte]));
      fs.writeSync(2, bytes);
    `),
  );
  const finished = await rig.actor.until("finished", run.runId);
  await eventually("the end of the log", () => log.end);
  expect(log.complete()).toBe(true);
  expect(log.bytes()).toEqual(Buffer.concat(Array.from({ length: 51 }, () => bytes)));
  expect(finished.log).toEqual({ bytes: bytes.length * 51, sha256: log.sha256() });
  expect(finished.stderrExcerpt).toBe("a\u{1F427}\0\u001b[31mred\r\n\uFFFD\uFFFD\uFFFD");
  expect(Buffer.from(finished.stdoutExcerpt).toString()).toBe(finished.stdoutExcerpt);
});

test("excerpts and results keep the end, within their bounds [E11] [B33]", async () => {
  const { run } = await followed(node(`process.stdout.write("x".repeat(300000) + "\u00e9nd")`));
  const { stdoutExcerpt, result } = await rig.actor.until("finished", run.runId);
  const { stdout } = result.resultJson as { stdout: string };
  expect(stdoutExcerpt.endsWith("x\u00e9nd")).toBe(true);
  expect(Buffer.byteLength(stdoutExcerpt)).toBe(32 * 1024);
  expect(Buffer.byteLength(stdout)).toBe(64 * 1024);
});

test("live frames show the newest text and say when they leave something out [E10]", async () => {
  const ids = { companyId: newId(), runId: newId() };
  const frames: EventFrame[] = [];
  rig.bus.subscribe(subjects.event(ids.companyId, "heartbeat.run.log"), (message) => {
    frames.push(JSON.parse(Buffer.from(message.data).toString()) as EventFrame);
  });
  await rig.bus.flush();
  const script = `process.stdout.write("first\\n"); setTimeout(() => process.stdout.write("y".repeat(100000)), 200)`;
  const run = await rig.enqueue(node(script), ids);
  await rig.actor.until("finished", run.runId);
  await eventually("both frames", () => frames.some((frame) => frame.payload["truncated"]));
  expect(frames[0]).toMatchObject({
    type: "heartbeat.run.log",
    companyId: ids.companyId,
    payload: {
      runId: ids.runId,
      agentId: run.agentId,
      stream: "stdout",
      chunk: "first\n",
      truncated: false,
    },
  });
  expect(frames.every((frame) => String(frame.payload["chunk"]).length <= 8_192)).toBe(true);
});

test("200 MB come through whole, with bounded memory [B28]", async () => {
  const megabytes = 200;
  const script = `
    const block = Buffer.alloc(1 << 20);
    for (let n = 0; n < block.length; n++) block[n] = (n * 31 + (n >> 8)) & 255;
    let n = 0;
    const more = () => { while (n < ${megabytes}) { block.writeUInt32LE(n++, 0); if (!process.stdout.write(Buffer.from(block))) return process.stdout.once("drain", more); } };
    more();
  `;
  const rss = () =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${runner.pid}/status`, "utf8"))?.[1]) / 1024;
  const before = rss();
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, rss())), 50);
  // Hashed on the way: the follower must not keep it all either.
  const hash = createHash("sha256");
  let next = 0;
  let end: string | undefined;
  const early = new Map<number, Uint8Array>();
  const ids = { companyId: newId(), runId: newId() };
  const follower = await connectBus({
    url: rig.nats.serviceUrl,
    name: "follower",
    inboxPrefix: "_INBOX_f",
  });
  follower.subscribe(subjects.runLog(ids.companyId, ids.runId), (message) => {
    early.set(Number(message.header(headers.logSequence)), message.data);
    end ??= message.header(headers.logEnd);
    for (let chunk = early.get(next); chunk; chunk = early.get(++next)) {
      hash.update(chunk);
      early.delete(next);
    }
  });
  await follower.flush();
  const began = performance.now();
  const run = await rig.enqueue(node(script), ids);
  const finished = await rig.actor.until("finished", run.runId, 60_000);
  const seconds = (performance.now() - began) / 1_000;
  clearInterval(watch);
  await eventually("the end of the log", () => end);
  await follower.close();
  console.info(
    `200 MB in ${seconds.toFixed(1)} s = ${(megabytes / seconds).toFixed(0)} MB/s; RSS ${before.toFixed(0)} -> ${peak.toFixed(0)} MB`,
  );
  expect(finished.log).toEqual({ bytes: megabytes << 20, sha256: hash.digest("hex") });
  expect(finished.result.exitCode).toBe(0);
  expect(peak - before).toBeLessThan(150);
}, 90_000);

test("a cancel during a flood ends it within its grace", async () => {
  const { run } = await followed({ command: "/bin/sh", args: ["-c", "exec yes"], graceSec: 1 });
  const { claimId } = await rig.actor.until("started", run.runId);
  await rig.actor.until("progress", run.runId);
  const began = performance.now();
  rig.actor.cancel(run, claimId);
  const finished = await rig.actor.until("finished", run.runId);
  expect(performance.now() - began).toBeLessThan(3_000);
  expect(finished.log.cut).toBeUndefined();
});

test("NATS away for a moment: the process waits, and nothing is missing", async () => {
  const { run, log } = await followed(
    node(
      `let n = 0; const t = setInterval(() => { process.stdout.write("line " + n++ + "\\n"); if (n === 300) clearInterval(t); }, 10)`,
    ),
  );
  await eventually("first lines", () => log.bytes().length > 0);
  await rig.nats.kill();
  await rig.nats.start();
  const finished = await rig.actor.until("finished", run.runId, 30_000);
  expect(finished.result.exitCode).toBe(0);
  expect(finished.log.cut).toBeUndefined();
  expect(finished.log.bytes).toBe(
    Array.from({ length: 300 }, (_, n) => `line ${n}\n`).join("").length,
  );
}, 60_000);
