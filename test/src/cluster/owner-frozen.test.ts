// One of the four ways to lose something: the owner of partitions is frozen past its lease while it works, and thawed when another
// host has long taken over. The thawed one finds itself fenced: nothing of what it still had in its hands is applied.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

const cycles = 3;
const perCycle = 80;

test("owner frozen past its lease, then thawed: the other takes over, nothing is applied twice [B1] [B9]", async () => {
  const cluster = await startCluster({
    env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: "1000" } },
  });
  const { client, system } = cluster;
  const agents = await cluster.agents(20, "random", 2);
  const owners = async (): Promise<number> =>
    (
      await cluster.rows<{ n: number }>("select count(distinct owner)::int as n from partitions")
    )[0]!.n;
  const wakes: Wake[] = [];
  const more = (count: number): Promise<void> => {
    const next = Array.from({ length: count }, (_, n): Wake => {
      const number = wakes.length + n;
      const payload = { taskKey: `task-${number}` };
      return { ...agents[number % agents.length]!, id: `wake-${number}`, payload };
    });
    wakes.push(...next);
    return client.wakeAll(next);
  };

  for (let cycle = 0; cycle < cycles; cycle += 1) {
    const index = cycle % 2;
    await until("both hosts own", async () => (await owners()) === 2, {
      describe: () => cluster.logs(),
    });
    const decided = client.verdicts.size;
    const first = more(perCycle);
    // In the middle of it: batches are under way, messages are buffered, effects go out.
    await until("some are decided", () => client.verdicts.size > decided + perCycle / 4);
    expect(system.stack.kill("agent-actor", index, "SIGSTOP")).toBe(true);
    await until("one host owns everything", async () => (await owners()) === 1);
    await first;
    await more(perCycle / 4);
    expect(system.stack.kill("agent-actor", index, "SIGCONT")).toBe(true);
    await more(perCycle / 4);
  }
  await cluster.atRest(wakes, 40_000);
  await cluster.expectAllWell(wakes, agents);
  const runs = await cluster.rows<{ status: string; attempt: number; n: number }>(
    "select status, attempt, count(*)::int as n from heartbeat_runs group by 1, 2",
  );
  expect(runs).toEqual([{ status: "succeeded", attempt: 1, n: wakes.length }]);
  for (const index of [0, 1])
    expect(readFileSync(cluster.process("agent-actor", index).logFile, "utf8")).toMatch(
      /stepping down|ownership is gone/,
    );
});
