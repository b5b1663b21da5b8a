// F22: floods of output: much of it, in one line, or one byte at a time. The pipe holds the process back, the runner's memory stays
// bounded, the log is whole to the last byte, others get through, and a cancel is obeyed in the middle of it.
// Throughput of one runner alone: test/src/runner/logs.test.ts.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import {
  addAgent,
  addProgram,
  liveRun,
  overRun,
  runIdOf,
  storedLog,
  wakeOf,
} from "../harness/run-evidence.js";
import { residentMb, watchMemory } from "../harness/runner-process.js";
import { until } from "../harness/until.js";

// The full form is longer than the tests of this project are otherwise.
vi.setConfig({ testTimeout: inForm(120_000, 600_000) });
const cluster = clusterOfFile();

/** The bar: so much more than before, whatever flows through it. */
const runnerGrowthMaxMb = 150;
const graceSec = 1;
const floodMs = inForm(60_000, 300_000);

/** Writes what `next` makes, hashes it itself and leaves sum and length where the system cannot reach: arguments are file and amount. */
const writer = (next: string): string => `
  const { createHash } = require("crypto"), fs = require("fs"), [file, amount] = process.argv.slice(1);
  const hash = createHash("sha256"), left = { amount: Number(amount), bytes: 0 };
  const write = (bytes) => { hash.update(bytes); left.bytes += bytes.length; let at = 0; while (at < bytes.length) {
    try { at += fs.writeSync(1, bytes, at); } catch (error) { if (error.code !== "EAGAIN") throw error; } } };
  ${next}
  fs.writeFileSync(file, left.bytes + " " + hash.digest("hex"));
`;
const mib = 1 << 20;
const block = `const block = Buffer.alloc(${mib}); for (let n = 0; n < block.length; n++) block[n] = FILL;`;
const floods: [name: string, program: string, amount: number][] = [
  [
    "megabytes of bytes of all kinds",
    writer(`${block.replace("FILL", "(n * 31 + (n >> 8)) & 255")}
      for (let n = 0; n < left.amount; n++) { block.writeUInt32LE(n, 0); write(block); }`),
    inForm(100, 1_024),
  ],
  [
    "megabytes without a newline",
    writer(
      `${block.replace("FILL", "97 + (n % 26)")} for (let n = 0; n < left.amount; n++) write(block);`,
    ),
    inForm(50, 100),
  ],
  [
    "single bytes",
    writer(
      `const one = Buffer.alloc(1); for (let n = 0; n < left.amount; n++) { one[0] = n & 255; write(one); }`,
    ),
    inForm(100_000, 1_000_000),
  ],
];

test.each(floods)(
  "[F22] %s: the log is whole, memory is bounded, others get through",
  async (name, program, amount) => {
    const file = join(cluster().witness.dir, `sum-${name.length}`);
    const agent = await addProgram(cluster(), program, { args: [file, String(amount)] });
    const beside = await cluster().agents(4, 50);
    const runners = cluster()
      .system.stack.service("runner")
      .map(({ pid }) => watchMemory(pid!));
    const wake = wakeOf(agent, `flood-${name.length}`);
    const began = performance.now();
    await cluster().client.wake(wake);
    await liveRun(cluster(), wake);
    const wakes = beside.map((one, n) => wakeOf(one, `beside-${name.length}-${n}`));
    await cluster().client.wakeAll(wakes);
    for (const one of wakes)
      expect(await overRun(cluster(), one, 15_000)).toMatchObject({ status: "succeeded" });

    const run = await overRun(cluster(), wake, floodMs);
    const seconds = (performance.now() - began) / 1_000;
    expect(run).toMatchObject({ status: "succeeded", exit_code: 0, log_cut: null });
    expect(existsSync(file)).toBe(true);
    const [bytes, sha256] = readFileSync(file, "utf8").split(" ");
    expect(run).toMatchObject({ log_bytes: bytes, log_sha256: sha256 });
    const stored = await storedLog(cluster(), wake);
    expect(stored).toMatchObject({ bytes: Number(bytes), sha256, missing: 0 });
    const grown = runners.map((runner) => Math.round(runner.grownMb()));
    process.stderr.write(
      `${bytes} bytes in ${seconds.toFixed(1)} s, runners grew by ${grown.join(" and ")} MB\n`,
    );
    for (const one of grown) expect(one).toBeLessThan(runnerGrowthMaxMb);
    await cluster().atRest([wake, ...wakes], 30_000);
    await cluster().expectAllWell([wake, ...wakes], [agent, ...beside]);
  },
);

test("[F22] a cancel in the middle of floods is obeyed within grace + 1 s, and what was stored until then is whole", async () => {
  const agents = await Promise.all([
    addAgent(cluster(), { command: "/bin/sh", args: ["-c", "exec yes"], graceSec }),
    addAgent(cluster(), {
      command: "/bin/sh",
      args: ["-c", "trap '' TERM; while :; do yes | head -c 100000; done"],
      graceSec,
    }),
  ]);
  const wakes = agents.map((agent, n) => wakeOf(agent, `endless-${n}`));
  await cluster().client.wakeAll(wakes);
  const pids = cluster()
    .system.stack.service("runner")
    .map(({ pid }) => pid!);
  for (const wake of wakes) {
    await liveRun(cluster(), wake);
    await until("it floods", async () => (await storedLog(cluster(), wake)).bytes > mib);
    const began = performance.now();
    const { body } = await cluster().system.call("POST", `/heartbeat-runs/${runIdOf(wake)}/cancel`);
    const tookMs = performance.now() - began;
    process.stderr.write(`cancelled within ${Math.round(tookMs)} ms\n`);
    expect(body["status"]).toBe("cancelled");
    expect(tookMs).toBeLessThan(graceSec * 1_000 + 1_000);
    const run = await overRun(cluster(), wake);
    const stored = await storedLog(cluster(), wake);
    expect(run).toMatchObject({
      log_bytes: String(stored.bytes),
      log_sha256: stored.sha256,
      log_cut: null,
    });
    expect(stored.missing).toBe(0);
  }
  expect(pids.every((pid) => residentMb(pid) > 0)).toBe(true);
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents);
});
