// The broker in trouble: gone for a while, emptied, without the pool's consumer. The runner waits, and goes on.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureTopology } from "@reveille/shared/nats/topology-keeper";
import { defaultSizes } from "@reveille/shared/protocol/topology";
import { eventually, isAlive, startRig, subjects, witnesses } from "./rig.js";
import type { Rig } from "./rig.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-outage-"));
let rig: Rig;
beforeAll(async () => {
  rig = await startRig(scratch, 30_000);
});
afterAll(async () => {
  await rig.stop();
  rmSync(scratch, { recursive: true, force: true });
});

test("NATS emptied while a run lives: it ends as if nothing had been, and new work is pulled", async () => {
  const runner = await rig.runner();
  const run = await rig.enqueue({ command: "sleep", args: ["4"] });
  await rig.actor.until("progress", run.runId);
  await rig.nats.wipe();
  await eventually("the rig is connected again", () => rig.bus.connected);
  await ensureTopology(rig.bus, subjects, 1, 4, { ...defaultSizes, runnerLeaseTtlMs: 30_000 });
  const finished = await rig.actor.until("finished", run.runId, 30_000);
  expect(finished.result.exitCode).toBe(0);
  const next = await rig.enqueue({ command: "true" });
  expect((await rig.actor.until("finished", next.runId)).incarnation).toBe(finished.incarnation);
  runner.child.kill("SIGTERM");
  expect(await runner.exited).toBe(0);
}, 90_000);

test("the pool's consumer deleted: it is made again, and the work is done", async () => {
  const runner = await rig.runner({ REVEILLE_RUNNER_POOL: "other" });
  await eventually("the consumer", async () =>
    rig.bus.jsm.consumers.info("EXEC", "exec_other").catch(() => null),
  );
  await rig.bus.jsm.consumers.delete("EXEC", "exec_other");
  const run = await rig.enqueue({ command: "true" }, {}, "other");
  await rig.actor.until("finished", run.runId, 20_000);
  runner.child.kill("SIGTERM");
  expect(await runner.exited).toBe(0);
}, 60_000);

test("NATS away past the deadline: the tree dies, and the loss is told when NATS is back", async () => {
  const witness = join(scratch, "away");
  const runner = await rig.runner({
    REVEILLE_RUNNER_GUARD_DEADLINE_MS: "2000",
    REVEILLE_RUNNER_LEASE_RENEW_MS: "300",
  });
  const run = await rig.enqueue({
    command: "/bin/sh",
    args: ["-c", `trap "" TERM; echo $$ >> ${witness}; while :; do sleep 1; done`],
  });
  const { incarnation } = await rig.actor.until("started", run.runId);
  const [pid] = await eventually("the process", () => {
    const seen = witnesses(witness);
    return seen.length > 0 && seen;
  });
  rig.nats.freeze();
  await eventually("the process is dead", () => !isAlive(pid!), 6_000);
  rig.nats.thaw();
  expect(await rig.actor.until("lost", run.runId, 30_000)).toMatchObject({
    reason: "deadline",
    incarnation,
  });
  const next = await rig.enqueue({ command: "true" });
  expect((await rig.actor.until("finished", next.runId, 30_000)).incarnation).not.toBe(incarnation);
  runner.child.kill("SIGTERM");
  expect(await runner.exited).toBe(0);
}, 90_000);
