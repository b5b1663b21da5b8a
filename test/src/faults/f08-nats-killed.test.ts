// F8: nats-server is killed under load and comes back, at once and after seconds. What it acknowledged it still has; everybody finds it
// again, reads on where Postgres says, and nobody starts anything twice.
import { randomInt } from "node:crypto";
import { openBucket } from "@reveille/shared/nats/bucket";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { openRecovery } from "../harness/recovery.js";
import { until } from "../harness/until.js";

/** The bar. */
const goesOnMs = 3_000;
/** The bar for how long NATS may be away before an agent's process is ended. */
const outageMs = 15_000;
/** Of a runner, by default. */
const guardDeadlineMs = 20_000;
const wakeCount = inForm(80, 200);
const seed = Number(process.env["REVEILLE_TEST_SEED"] ?? randomInt(1_000_000));
const cluster = clusterOfFile();

/** Revisions of the runners' leases. */
async function leases(): Promise<number[]> {
  const bucket = await openBucket(cluster().bus, topologyNames("rv").runnerLeases);
  const entries = await Promise.all((await bucket.keys()).map((key) => bucket.get(key)));
  return entries.flatMap((entry) => (entry ? [entry.revision] : []));
}

const pause = (ms: number): Promise<void> => {
  const from = performance.now();
  return until("the outage is over", () => performance.now() - from >= ms, {
    timeoutMs: ms + 1_000,
  }).then(() => undefined);
};

test.each(inForm([0, 3], [0, 5, 30]))(
  "[F8] kill -9 of nats-server under load, back after %i s: work goes on within 3 s, nothing starts twice",
  async (awaySec) => {
    const { nats, system } = cluster();
    process.stderr.write(`seed ${seed}\n`);
    const load = await openLoad(cluster(), { name: `away-${awaySec}`, seed });
    const recovery = await openRecovery(cluster());
    const published = load.more(wakeCount);
    await load.started(wakeCount / 8);
    await nats.kill();
    if (awaySec > 0) {
      const [agent] = recovery.agents;
      const from = performance.now();
      const refused = await fetch(`${cluster().gateway(1)}/api/agents/${agent!.agentId}/wakeup`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      });
      expect([refused.status, Number(refused.headers.get("retry-after"))]).toEqual([503, 2]);
      expect(performance.now() - from).toBeLessThan(1_000);
      const health = await system.call("GET", "/health");
      expect(health).toMatchObject({ status: 503, body: { details: { nats: "away" } } });
      await pause(awaySec * 1_000);
    }
    await nats.start();
    const took = await recovery.tookMs();
    process.stderr.write(`${awaySec} s away, works again after ${Math.round(took)} ms\n`);
    expect(took).toBeLessThan(goesOnMs);
    await published;
    await load.settle({ order: "stored", again: true });
    await cluster().expectAllWell(recovery.wakes, recovery.agents, "stored");
    const outcomes = await load.outcomes();
    // Past its deadline a runner's attempts are lost, also one whose process had ended and whose end nobody had heard of.
    const repeated = awaySec * 1_000 > guardDeadlineMs;
    for (const { status, attempt } of outcomes)
      expect([status, repeated ? Math.min(attempt, 1) : attempt]).toEqual(["succeeded", 1]);
  },
);

test.runIf(inForm(false, true))(
  "[F8] an outage of 15 s kills no agent process: each ends in its first attempt",
  async () => {
    const { nats, witness } = cluster();
    const load = await openLoad(cluster(), { name: "lasting", lives: "released", issues: 0 });
    for (let round = 0; round < 3; round += 1) {
      await load.more(load.agents.length);
      await until("some live", () => load.starts() > 0 && load.verdicts() === load.wakes.length);
      const newest = Math.max(...(await leases()));
      await nats.kill();
      await pause(outageMs);
      await nats.start();
      // The next outage is one of its own: both runners have renewed.
      await until(
        "both runners are back",
        async () => (await leases().catch(() => [])).filter((each) => each > newest).length >= 2,
      );
    }
    witness.release();
    await load.settle({ order: "stored", again: true });
    expect(await load.outcomes()).toEqual([
      { status: "succeeded", attempt: 1, n: expect.any(Number) },
    ]);
  },
);
