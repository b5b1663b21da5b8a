// F20: somebody reads slowly, or not at all: a viewer of a log, a console that wants all events, a subscriber of NATS. What waits for
// them is bounded; the log waits for its reader, events are dropped with a reason; runs and other readers do not notice.
// One gateway alone, and its counters: test/src/gateway/live-events.test.ts.
import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { expect, onTestFinished, test, vi } from "vitest";
import { WebSocket } from "ws";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { followEvents, followSocket, textOf, type Viewer } from "../harness/log-viewers.js";
import { addProgram, liveRun, overRun, runIdOf, wakeOf } from "../harness/run-evidence.js";
import { watchMemory } from "../harness/runner-process.js";
import { until } from "../harness/until.js";

// The full form is longer than the tests of this project are otherwise.
vi.setConfig({ testTimeout: inForm(120_000, 600_000) });
const cluster = clusterOfFile();
const subjects = createSubjects("rv");
const mib = 1 << 20;

/** Writes so many megabytes of text in lines, as fast as it can. */
const printer = `
  const line = "0123456789abcdef".repeat(8) + "\\n"; let n = Number(process.argv[1]) * ${mib} / line.length | 0;
  const more = () => { while (n > 0) { const some = Math.min(n, 500); n -= some; if (!process.stdout.write(line.repeat(some))) return process.stdout.once("drain", more); } };
  more();
`;
/** Frames and chunks that wait for a reader (8 MiB and less each), the rest is what Node keeps before it collects. */
const growthMaxMb = 200;
const slowPace = 1_024;

test("[F20] viewers that read 1 KB a second: the log waits for them, and neither the run nor other viewers do", async () => {
  const megabytes = inForm(16, 64);
  const agent = await addProgram(cluster(), printer, { args: [String(megabytes)] });
  const wake = wakeOf(agent, "viewed");
  const runId = runIdOf(wake);
  const [first, second] = [cluster().gateway(0), cluster().gateway(1)];
  const memory = cluster()
    .system.stack.service("gateway")
    .map(({ pid }) => watchMemory(pid!));
  const runners = cluster()
    .system.stack.service("runner")
    .map(({ pid }) => watchMemory(pid!));
  await cluster().client.wake(wake);
  await liveRun(cluster(), wake);
  const hurry = new AbortController();
  const pace = { bytesPerSecond: slowPace, until: hurry.signal };
  const slow = [
    followEvents(first, runId, pace),
    followEvents(first, runId, pace),
    followSocket(first, runId, pace),
    followSocket(second, runId, pace),
  ];
  const quick = [followEvents(first, runId), followSocket(second, runId)];
  const run = await overRun(cluster(), wake, 60_000);
  expect(run).toMatchObject({ status: "succeeded", log_cut: null });
  await Promise.all(quick.map(({ over }) => over));
  for (const viewer of quick) expectWhole(viewer, run.log_sha256!);
  for (const { viewed } of slow) {
    expect(viewed.ended).toBe(false);
    // It has read something, and most of it waits: not with us, but where it is stored.
    expect(textOf(viewed, "stdout").length).toBeLessThan((megabytes * mib) / 2);
  }
  const grown = [...memory, ...runners].map((one) => Math.round(one.grownMb()));
  process.stderr.write(`gateways and runners grew by ${grown.join(", ")} MB\n`);
  for (const one of grown) expect(one).toBeLessThan(growthMaxMb);

  hurry.abort();
  await Promise.all(slow.map(({ over }) => over));
  for (const viewer of slow) expectWhole(viewer, run.log_sha256!);
  await cluster().atRest([wake], 30_000);
  await cluster().expectAllWell([wake], [agent]);
});

function expectWhole({ viewed }: Viewer, sha256: string): void {
  expect(viewed.ended).toBe(true);
  expect(createHash("sha256").update(textOf(viewed, "stdout")).digest("hex")).toBe(sha256);
}

test("[F20] a console that does not read its events is let go with a reason; the others hear all of them, and runs go on", async () => {
  const frames = inForm(2_500, 10_000);
  const { companyId } = cluster();
  const url = `${cluster().gateway(0).replace("http", "ws")}/api/companies/${companyId}/events/ws`;
  const open = async (): Promise<{ socket: WebSocket; ids: number[]; mine: number[] }> => {
    const socket = new WebSocket(url);
    onTestFinished(() => socket.terminate());
    const ids: number[] = [];
    const mine: number[] = [];
    socket.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as { id: number; payload: { n?: number } };
      ids.push(frame.id);
      if (frame.payload.n !== undefined) mine.push(frame.payload.n);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("open", () => resolve());
      socket.once("error", reject);
    });
    return { socket, ids, mine };
  };
  const [slow, quick] = [await open(), await open()];
  const closed = new Promise<number>((resolve) => slow.socket.once("close", resolve));
  const [gateway] = cluster().system.stack.service("gateway");
  const memory = watchMemory(gateway!.pid!);
  slow.socket.pause();
  const agents = await cluster().agents(4, 50);
  const wakes = Array.from({ length: 40 }, (_, n) => wakeOf(agents[n % 4]!, `heard-${n}`));
  const published = cluster().client.wakeAll(wakes);
  const chunk = "x".repeat(8 * 1024);
  const subject = subjects.event(companyId, "heartbeat.run.log");
  for (let n = 0; n < frames; n += 1) {
    const createdAt = new Date().toISOString();
    const frame = { type: "heartbeat.run.log", companyId, createdAt, payload: { n, chunk } };
    cluster().bus.publish(subject, Buffer.from(JSON.stringify(frame)));
    // The quick one keeps up, however busy the machine is.
    if (n % 100 === 0) await until("it keeps up", () => quick.mine.length >= n - 100);
  }
  await until("the quick one has all", () => quick.mine.length === frames);
  expect(quick.mine).toEqual(Array.from({ length: frames }, (_, n) => n));
  expect(quick.ids).toEqual(quick.ids.map((_, n) => n + 1));
  await until("the slow one is let go", async () => {
    const answer = await fetch(`${cluster().gateway(0)}/metrics`);
    return /reveille_event_sockets_dropped_total 1$/m.test(await answer.text());
  });
  slow.socket.resume();
  // The reason stands behind what it had not read; who takes too long is cut off without having read it.
  expect([1013, 1006]).toContain(await closed);
  expect(memory.grownMb()).toBeLessThan(growthMaxMb);
  await published;
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents);
});

/** Subscribes as plainly as the protocol allows and never reads what comes. */
async function stalledSubscriber(url: string, subject: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  // The server lets it go: that is what is waited for.
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.write(`CONNECT {"verbose":false,"pedantic":false}\r\nSUB ${subject} 1\r\nPING\r\n`);
  await new Promise<void>((resolve) => socket.once("data", () => resolve()));
  socket.pause();
  return socket;
}

test("[F20] subscribers of NATS that do not read: the server lets them go, and runs and followers do not wait for them", async () => {
  // More than the server keeps for one client (64 MB) and the kernel besides.
  const megabytes = inForm(100, 400);
  const agent = await addProgram(cluster(), printer, { args: [String(megabytes)] });
  const { companyId } = cluster();
  const timed = async (name: string): Promise<number> => {
    const wake = wakeOf(agent, name);
    await cluster().client.wake(wake);
    await liveRun(cluster(), wake);
    const began = performance.now();
    const follower = followEvents(cluster().gateway(1), runIdOf(wake));
    const run = await overRun(cluster(), wake, 120_000);
    const tookMs = performance.now() - began;
    expect(run).toMatchObject({ status: "succeeded", log_cut: null });
    await follower.over;
    expectWhole(follower, run.log_sha256!);
    return tookMs;
  };
  const alone = await timed("alone");
  const stalled = [
    await stalledSubscriber(cluster().nats.url, `rv.${companyId}.run.*.log.*`),
    await stalledSubscriber(cluster().nats.url, `rv.${companyId}.run.*.log.stdout`),
  ];
  const beside = await timed("beside");
  process.stderr.write(`${Math.round(alone)} ms alone, ${Math.round(beside)} ms beside\n`);
  // Generous: two runs of a busy machine are compared.
  expect(beside).toBeLessThan(alone * 3 + 2_000);
  await until(
    "the server has counted them",
    async () => {
      const answer = await fetch(`${cluster().nats.monitorUrl}/varz`);
      return ((await answer.json()) as { slow_consumers: number }).slow_consumers >= stalled.length;
    },
    { timeoutMs: 30_000 },
  );
  const wakes = ["alone", "beside"].map((name) => wakeOf(agent, name));
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, [agent]);
});
