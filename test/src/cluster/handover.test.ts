// Hosts that join and leave hand their partitions over: nobody waits for a lease to end, and whoever wakes agents meanwhile hardly
// notices. The lease is made so long here that whatever waited for one would be seen.
import { expect, test } from "vitest";
import { startCluster, type Cluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

const leaseMs = 30_000;
/** Between two wakes: fifty a second, over all partitions. */
const everyMs = 20;
/** A joining host is seen at the others' next renewal, a third of the lease later; a leaving one says so itself. */
const joinedMs = leaseMs / 3 + 5_000;
const leftMs = 5_000;
/** The longest that one wake may have waited for its verdict. The aim is 1 s; the rest is for a machine with two cores and other tests on it. */
const gapMs = 2_000;

const ownersOf = async (cluster: Cluster): Promise<string[]> => {
  const rows = await cluster.rows<{ owner: string | null }>("select owner from partitions");
  return rows.every(({ owner }) => owner !== null)
    ? [...new Set(rows.map(({ owner }) => owner!))]
    : [];
};

test("a host joins and another leaves: partitions move without expiry, wakes go on [B1]", async () => {
  const cluster = await startCluster({
    runners: 1,
    env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: String(leaseMs) } },
  });
  const { client, system } = cluster;
  const agents = await cluster.agents(40, 50);
  const wakes: Wake[] = [];
  const publishedAt = new Map<string, number>();
  let publishing = true;
  const publisher = (async () => {
    for (let n = 0; publishing; n += 1) {
      const wake = {
        ...agents[n % agents.length]!,
        id: `wake-${n}`,
        payload: { taskKey: `t-${n}` },
      };
      wakes.push(wake);
      publishedAt.set(wake.id, performance.now());
      await client.wake(wake);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();

  await until("two hosts own", async () => (await ownersOf(cluster)).length === 2, {
    timeoutMs: joinedMs,
  });
  const third = await system.stack.start("agent-actor");
  await until("three hosts own", async () => (await ownersOf(cluster)).length === 3, {
    timeoutMs: joinedMs,
    describe: () => ownersOf(cluster),
  });
  cluster.process("agent-actor", 0).kill("SIGTERM");
  await until("the first has ended", () => cluster.process("agent-actor", 0).pid === undefined);
  await until("two hosts own again", async () => (await ownersOf(cluster)).length === 2, {
    timeoutMs: leftMs,
    describe: () => ownersOf(cluster),
  });
  expect(third.pid).toBeDefined();
  publishing = false;
  await publisher;
  await cluster.atRest(wakes, 40_000);
  await cluster.expectAllWell(wakes, agents);

  const waits = wakes.map(({ id }) => {
    const verdict = client.verdicts.get(id);
    return verdict ? verdict.heardAt - publishedAt.get(id)! : Infinity;
  });
  const longest = Math.round(Math.max(...waits));
  process.stderr.write(`${wakes.length} wakes, the longest wait for a verdict ${longest} ms\n`);
  // No verdict was lost either: nobody died between a commit and its effects.
  expect(longest).toBeLessThan(gapMs);
});
