// `--once`: one execution, however many wait, and an end without one when none comes. A job of a cluster is this.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { addAgent, wakeOf } from "../harness/run-evidence.js";
import { runnerTiming, shortRunnerLeases } from "../harness/runner-process.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

const main = fileURLToPath(new URL("../../../services/runner/dist/main.js", import.meta.url));
const pool = "gpu";
const pools = { REVEILLE_RUNNER_POOLS: pool };
const cluster = clusterOfFile({
  gateways: 1,
  runners: 0,
  env: {
    "agent-actor": { ...shortRunnerLeases["agent-actor"], ...pools },
    gateway: pools,
  },
});

interface Job {
  readonly child: ChildProcess;
  /** Exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
}
function startJob(env: NodeJS.ProcessEnv = {}): Job {
  const scratch = mkdtempSync(join(tmpdir(), "reveille-once-"));
  const child = spawn(process.execPath, [main, "--once"], {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      NATS_URL: cluster().nats.urlOf(`runner-${pool}`),
      REVEILLE_DATA_DIR: scratch,
      REVEILLE_RUNNER_POOL: pool,
      REVEILLE_LOG_LEVEL: "silent",
      REVEILLE_RUNNER_ONCE_WAIT_MS: "2000",
      ...runnerTiming,
      ...env,
    },
  });
  const ended = new Promise<number | string | null>((resolve) =>
    child.once("exit", (code, signal) => resolve(code ?? signal)),
  );
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
    rmSync(scratch, { recursive: true, force: true });
  });
  return { child, ended };
}
/** Wakes of agents of the pool, one each, all dispatched. */
async function waiting(name: string, count: number, lives: "random" | "released") {
  const agents = await Promise.all(
    Array.from({ length: count }, () =>
      addAgent(cluster(), cluster().witness.agent(lives, true), { runner: { pool } }),
    ),
  );
  const wakes = agents.map((agent, n) => wakeOf(agent, `${name}-${n}`));
  await cluster().client.wakeAll(wakes);
  await until("all wait for a runner", async () => (await phases(wakes))["dispatched"] === count);
  return { agents, wakes };
}
async function phases(wakes: readonly Wake[]): Promise<Record<string, number>> {
  const rows = await cluster().rows<{ phase: string; n: number }>(
    "select phase, count(*)::int as n from heartbeat_runs where wake_id = any($1) group by 1",
    [wakes.map(({ id }) => id)],
  );
  return Object.fromEntries(rows.map(({ phase, n }) => [phase, n]));
}

test("two wait: it takes one, ends with 0, and leaves the other for the next", async () => {
  const { agents, wakes } = await waiting("two", 2, "random");
  expect(await startJob().ended).toBe(0);
  expect(await phases(wakes)).toEqual({ over: 1, dispatched: 1 });
  expect(await startJob().ended).toBe(0);
  expect(await phases(wakes)).toEqual({ over: 2 });
  await cluster().atRest(wakes, 20_000);
  await cluster().expectAllWell(wakes, agents);
});

test("more jobs than executions: one each, and who gets none ends with 0 as well", async () => {
  const { agents, wakes } = await waiting("three", 2, "random");
  const jobs = [0, 1, 2].map(() => startJob());
  expect(await Promise.all(jobs.map(({ ended }) => ended))).toEqual([0, 0, 0]);
  expect(await phases(wakes)).toEqual({ over: 2 });
  await cluster().atRest(wakes, 20_000);
  await cluster().expectAllWell(wakes, agents);
});

test("none comes: it waits for as long as it was told, and ends with 0", async () => {
  const began = performance.now();
  expect(await startJob({ REVEILLE_RUNNER_ONCE_WAIT_MS: "500" }).ended).toBe(0);
  expect(performance.now() - began).toBeGreaterThan(500);
});

test("a job that is told to end gives its one execution back, and the next job has it", async () => {
  cluster().witness.hold();
  const { agents, wakes } = await waiting("back", 1, "released");
  const starts = () =>
    cluster()
      .witness.lines()
      .filter(({ what, agentId }) => what === "start" && agentId === agents[0]!.agentId).length;
  const first = startJob({ REVEILLE_RUNNER_DRAIN_MS: "200" });
  await until("it lives", () => starts() === 1);
  first.child.kill("SIGTERM");
  expect(await first.ended).toBe(0);
  const next = startJob();
  await until("it lives again", () => starts() === 2);
  cluster().witness.release();
  expect(await next.ended).toBe(0);
  await cluster().atRest(wakes, 20_000);
  await cluster().expectAllWell(wakes, agents);
  expect(
    await cluster().rows("select status, attempt, losses from heartbeat_runs where wake_id = $1", [
      wakes[0]!.id,
    ]),
  ).toEqual([{ status: "succeeded", attempt: 2, losses: 0 }]);
});
