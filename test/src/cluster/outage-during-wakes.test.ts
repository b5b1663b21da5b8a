// Postgres ends every session under load. Who publishes does what
// a careful publisher does: a wake without a verdict is published again under its id. Then nothing is lost, doubled or left waiting.
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { seeded, startCluster, type Cluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

const wakeCount = 200;
const restMs = 60_000;
/** A gateway's own patience: as long as the verdict takes at worst, while the system finds its servers again. */
const againMs = 5_000;

const outages: Record<string, (cluster: Cluster) => Promise<void>> = {
  "every session of Postgres ended": async (cluster) => {
    await cluster.rows(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
  },
};

test.each(Object.keys(outages))("%s during 200 wakes", async (name) => {
  const seed = Number(process.env["REVEILLE_TEST_SEED"] ?? randomInt(1_000_000));
  const below = seeded(seed);
  const cluster = await startCluster();
  const { client, witness } = cluster;
  const issues = await cluster.issues(6);
  const agents = [
    ...(await cluster.agents(14, "random", 1)),
    ...(await cluster.agents(6, "random", 3)),
  ];
  const wakes = Array.from({ length: wakeCount }, (_, n): Wake => {
    const payload =
      below(3) === 0 ? { issueId: issues[below(issues.length)]! } : { taskKey: `task-${n}` };
    return { ...agents[below(agents.length)]!, id: `wake-${n}`, payload };
  });
  const after = 10 + below(80);
  process.stderr.write(`seed ${seed}: ${name} after ${after} starts\n`);
  const published = client.wakeAll(wakes);
  const starts = (): number => witness.lines().filter(({ what }) => what === "start").length;
  await until(`${after} starts`, () => starts() >= after, { describe: starts });
  await outages[name]!(cluster);
  await published;

  const undecided = (): Wake[] => wakes.filter(({ id }) => !client.verdicts.has(id));
  for (let tries = 0; tries < 4 && undecided().length > 0; tries += 1) {
    const from = performance.now();
    await until("verdicts", () => undecided().length === 0 || performance.now() - from > againMs);
    await client.wakeAll(undecided());
  }
  await cluster.atRest(wakes, restMs);
  await cluster.expectAllWell(wakes, agents, "stored");
  const runs = await cluster.rows<{ status: string; attempt: number }>(
    "select distinct status, attempt from heartbeat_runs",
  );
  expect(runs).toEqual([{ status: "succeeded", attempt: 1 }]);
});
