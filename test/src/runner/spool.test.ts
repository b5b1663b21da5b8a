// Logs while NATS is away, and at their bounds: the process goes on, the disk keeps what memory does not, and what is missing is said.
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { newId } from "@reveille/shared/protocol/ids";
import { eventually, followLog, startRig } from "./rig.js";
import type { Rig } from "./rig.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-spool-"));
let rig: Rig;
beforeAll(async () => {
  // A full lease: NATS is away for a while below, and that alone must kill nothing.
  rig = await startRig(scratch, 30_000);
});
afterAll(async () => {
  await rig.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const megabyte = 1 << 20;
/** Prints a byte, waits for the file `go`, prints so many megabytes as fast as they are taken, and says in the file `done` that it could. */
const flood = (megabytes: number, name: string) => ({
  command: process.execPath,
  args: [
    "-e",
    `const fs = require("node:fs");
     const [go, done] = process.argv.slice(1);
     fs.writeSync(1, "x");
     const wait = setInterval(() => {
       if (!fs.existsSync(go)) return;
       clearInterval(wait);
       const block = Buffer.alloc(${megabyte}, 97);
       for (let n = 0; n < ${megabytes}; n++) { block.writeUInt32LE(n, 0); for (let at = 0; at < block.length;) at += fs.writeSync(1, block, at); }
       fs.writeFileSync(done, "");
     }, 20);`,
    join(scratch, `${name}.go`),
    join(scratch, `${name}.done`),
  ],
});
function flooded(megabytes: number): { bytes: number; sha256: string } {
  const hash = createHash("sha256").update("x");
  const block = Buffer.alloc(megabyte, 97);
  for (let n = 0; n < megabytes; n++) {
    block.writeUInt32LE(n, 0);
    hash.update(block);
  }
  return { bytes: megabytes * megabyte + 1, sha256: hash.digest("hex") };
}
const touch = (name: string): Promise<void> =>
  import("node:fs/promises").then((fs) => fs.writeFile(join(scratch, name), ""));

/** Starts the flood while NATS is away and resolves when the process has written all of it. */
async function floodWithoutNats(env: Record<string, string>, megabytes: number, name: string) {
  const runner = await rig.runner({ REVEILLE_RUNNER_POOL: name, ...env });
  const ids = { companyId: newId(), runId: newId() };
  const log = followLog(rig.bus, ids);
  await rig.bus.flush();
  const run = await rig.enqueue(flood(megabytes, name), ids, name);
  await eventually("the first byte", () => log.bytes().length > 0);
  await rig.nats.kill();
  await touch(`${name}.go`);
  await eventually("everything is written while NATS is away", () =>
    existsSync(join(scratch, `${name}.done`)),
  );
  await rig.nats.start();
  const finished = await rig.actor.until("finished", run.runId, 30_000);
  runner.child.kill("SIGKILL");
  return finished;
}

test("NATS away: 24 MB are written without it, and nothing is missing when it is back", async () => {
  const finished = await floodWithoutNats({}, 24, "kept");
  expect(finished.log).toEqual(flooded(24));
  expect(finished.result.exitCode).toBe(0);
}, 90_000);

test("NATS away and the spool full: the process goes on, and the log says from where bytes are missing", async () => {
  const env = { REVEILLE_RUNNER_SPOOL_MAX_BYTES: String(megabyte) };
  const finished = await floodWithoutNats(env, 24, "full");
  expect(finished.result.exitCode).toBe(0);
  expect(finished.log.bytes).toBe(24 * megabyte + 1);
  expect(finished.log.cut).toMatch(/^not stored from byte \d+ on: NATS was away and the spool/);
}, 90_000);

test("a log is cut at its size, and the run goes on", async () => {
  const runner = await rig.runner({
    REVEILLE_RUNNER_POOL: "capped",
    REVEILLE_RUNNER_LOG_MAX_BYTES: "100000",
  });
  const script = `process.stdout.write("y".repeat(300000), () => process.exit(7))`;
  const run = await rig.enqueue({ command: process.execPath, args: ["-e", script] }, {}, "capped");
  const finished = await rig.actor.until("finished", run.runId, 20_000);
  runner.child.kill("SIGKILL");
  expect(finished.result.exitCode).toBe(7);
  expect(finished.log.cut).toMatch(/^a run's log holds at most 100000 bytes; not stored from byte/);
});

test("a log's rate holds its process back, and nothing is missing", async () => {
  const runner = await rig.runner({
    REVEILLE_RUNNER_POOL: "slow",
    REVEILLE_RUNNER_LOG_BYTES_PER_SEC: "1000000",
  });
  const began = performance.now();
  const script = `process.stdout.write("z".repeat(3000000))`;
  const run = await rig.enqueue({ command: process.execPath, args: ["-e", script] }, {}, "slow");
  const finished = await rig.actor.until("finished", run.runId, 20_000);
  runner.child.kill("SIGKILL");
  expect(finished.log).toMatchObject({ bytes: 3_000_000 });
  expect(finished.log.cut).toBeUndefined();
  // One second's worth at once, the rest at its rate; what the pipe itself holds is not waited for.
  expect(performance.now() - began).toBeGreaterThan(1_500);
});
