// What agents cost that nobody wakes: rows in Postgres. A host with a hundred thousand of them is as small and as quiet as an empty one.
import { randomUUID } from "node:crypto";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.js";
import { cpuSeconds, residentBytes } from "../harness/process-usage.js";
import { until } from "../harness/until.js";

const agentCount = 100_000;
const insertedAtOnce = 10_000;
const residentGrowthMax = 50 * 1024 * 1024;
const idleCpuMax = 0.02;
/** Five seconds, as the bar says; a busy neighbour costs nothing here, since only the host's own time counts. */
const watchedMs = 5_000;

test("100,000 registered agents, none awake: no memory to speak of, no work to speak of", async () => {
  const cluster = await startCluster({ agentActors: 1, runners: 1 });
  const pid = cluster.process("agent-actor", 0).pid!;
  const before = residentBytes(pid);
  for (let made = 0; made < agentCount; made += insertedAtOnce) {
    const ids = Array.from({ length: insertedAtOnce }, () => randomUUID());
    await cluster.rows(
      `insert into agents (id, company_id, name, adapter_type, partition)
        select id, $2, 'Sleeper', 'noop', partition from unnest($1::uuid[], $3::int[]) as x(id, partition)`,
      [ids, cluster.companyId, ids.map((id) => partitionOf(id, 64))],
    );
  }
  const shares: number[] = [];
  // The best of a few windows: what the host must do all the time is in each of them.
  await until(
    `a window below ${idleCpuMax} of a core`,
    async () => {
      const [cpu, at] = [cpuSeconds(pid), performance.now()];
      await until("five seconds have passed", () => performance.now() - at >= watchedMs);
      shares.push(((cpuSeconds(pid) - cpu) * 1_000) / (performance.now() - at));
      return shares.at(-1)! < idleCpuMax;
    },
    { timeoutMs: 30_000, describe: () => shares },
  );
  const grown = residentBytes(pid) - before;
  process.stderr.write(
    `CPU ${shares.join(", ")} of a core, RSS grew by ${Math.round(grown / 1024)} KiB\n`,
  );
  expect(grown).toBeLessThan(residentGrowthMax);

  // And they are all there: one that is woken runs.
  const [agent] = await cluster.agents(1, 50);
  const wake = { ...agent!, id: "one", payload: {} };
  await cluster.client.wake(wake);
  await cluster.atRest([wake], 10_000);
});
