// A pool without a runner, a burst of work, and a scaler that knows two figures and no run: runners come, and all of them go again, whatever
// they have at that moment. The figures are read where a scaler in a cluster reads them.
import type { ServiceProcess } from "@reveille/local/service-process";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { expect, onTestFinished, test, vi } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { addAgent, wakeOf } from "../harness/run-evidence.js";
import { until } from "../harness/until.js";
import { hastySettings, lagOf, poolGauge, startScaler } from "./scaler.js";

vi.setConfig({ testTimeout: 240_000 });

const pool = "large";
const runs = 200;
const agentCount = 40;
const names = topologyNames("rv");
const pools = { REVEILLE_RUNNER_POOLS: pool };
const cluster = clusterOfFile({
  gateways: 1,
  runners: 1,
  env: { "agent-actor": pools, gateway: pools },
});
const lag = (consumer = names.poolConsumer(pool)): Promise<number> =>
  lagOf(cluster().nats.monitorUrl, { stream: names.exec, consumer });

/** The runners of the pool that are there, those that still drain too. */
function ofPool() {
  const { stack } = cluster().system;
  const all: { runner: ServiceProcess; told: boolean }[] = [];
  onTestFinished(() =>
    Promise.all(all.map(({ runner }) => runner.stop(20_000))).then(() => undefined),
  );
  return {
    living: () => all.filter(({ runner }) => runner.pid !== undefined),
    start: async () => {
      const env = {
        REVEILLE_RUNNER_POOL: pool,
        REVEILLE_RUNNER_SLOTS: String(hastySettings.lagThreshold),
        REVEILLE_RUNNER_DRAIN_MS: "30000",
      };
      all.push({ runner: await stack.start("runner", env), told: false });
    },
    endOne: async () => {
      const one = all.find(({ told, runner }) => !told && runner.pid !== undefined);
      if (!one) return;
      one.told = true;
      one.runner.kill("SIGTERM");
    },
  };
}

test("a consumer of each pool is there before its first runner: a scaler that asks for another one is told of the whole stream", async () => {
  expect(await lag()).toBe(0);
  const agent = await addAgent(cluster(), cluster().witness.agent("random", true), {
    runner: { pool: "default" },
  });
  const wakes = Array.from({ length: 3 }, (_, n) => wakeOf(agent, `before-${n}`));
  await cluster().client.wakeAll(wakes);
  await cluster().atRest(wakes, 30_000);
  // Of the other pool's work it shows nothing, and at rest nothing of its own.
  expect(await lag()).toBe(0);
  expect(await lag(names.poolConsumer("default"))).toBe(0);
  expect(await lag(names.poolConsumer("renamed"))).toBeGreaterThanOrEqual(3);
});

test("a burst of 200 runs takes a pool from 0 to as many runners as it needs and back to 0, each run once", async () => {
  const lives = inForm<number | "random">("random", 2_000);
  const agents = await Promise.all(
    Array.from({ length: agentCount }, () =>
      addAgent(cluster(), cluster().witness.agent(lives, true), { runner: { pool } }),
    ),
  );
  const wakes = Array.from({ length: runs }, (_, n) =>
    wakeOf(agents[n % agentCount]!, `burst-${n}`),
  );
  await cluster().client.wakeAll(wakes);
  // Every agent's one slot is taken by a run that waits for a runner: there is none, and it says so.
  await until("the executions wait", async () => (await lag()) === agentCount, {
    describe: () => lag(),
  });
  const { body } = await cluster().system.call("GET", "/pools");
  expect(body["pools"]).toContainEqual(
    expect.objectContaining({
      pool,
      waiting: agentCount,
      runners: 0,
      reason: `pool ${pool} has no runner`,
    }),
  );

  const runners = ofPool();
  const gateway = cluster().gateway(0);
  const scaler = startScaler(hastySettings, {
    figures: async () => ({
      lag: await lag(),
      demand: await poolGauge(gateway, "reveille_pool_demand", pool),
    }),
    start: runners.start,
    endOne: runners.endOne,
  });
  let most = 0;
  try {
    await until(
      "the pool is empty again",
      () => {
        most = Math.max(most, runners.living().length);
        return scaler.path.length > 1 && scaler.replicas === 0 && runners.living().length === 0;
      },
      {
        timeoutMs: 180_000,
        describe: () => ({
          path: scaler.path,
          seen: scaler.seen.slice(-10),
          logs: cluster().logs(),
        }),
      },
    );
  } finally {
    await scaler.stop();
  }
  process.stderr.write(`replicas: ${scaler.path.join(" -> ")}\n`);
  expect(Math.max(...scaler.path)).toBe(hastySettings.maxReplicas);
  expect(scaler.path[0]).toBe(0);
  expect(most).toBeGreaterThan(1);
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents);
  const outcomes = await cluster().rows<{ status: string; attempt: number; n: number }>(
    "select status, attempt, count(*)::int as n from heartbeat_runs where pool = $1 group by 1, 2",
    [pool],
  );
  expect(outcomes).toEqual([{ status: "succeeded", attempt: 1, n: runs }]);
  expect(await lag()).toBe(0);
});
