// F17: the wall clock of one service of each kind leaps an hour ahead, an hour back, and back to the truth by five seconds, while
// timers beat and runs go on. Leases do not notice, timers keep their beat, times stay in order.
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clusterOfFile, type Agent } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openJumpingClock, type JumpingClock } from "../harness/jumping-clock.js";
import { openLoad } from "../harness/load.js";
import { until } from "../harness/until.js";

const hour = 3_600_000;
const leaps = [hour, -hour, -5_000];
/** How long each offset lasts: several beats of the timers, and more than a lease of a host. */
const lastsMs = inForm(5_000, 30_000);
const intervalSec = 1;
const wakeCount = inForm(15, 60);

const folder = mkdtempSync(join(tmpdir(), "reveille-clock-"));
let clock: JumpingClock;
const cluster = clusterOfFile({ gateways: 1, agentActors: 1, runners: 1 });
beforeAll(async () => {
  clock = openJumpingClock(folder);
  for (const name of ["gateway", "agent-actor", "runner"] as const)
    await cluster().system.stack.start(name, clock.env);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Agents that a timer wakes, on partitions of both hosts. */
async function beating(count: number): Promise<Agent[]> {
  const agents = await cluster().agents(count, 50);
  for (const { agentId } of agents) {
    const { status } = await cluster().system.call("PATCH", `/agents/${agentId}`, {
      runtimeConfig: { heartbeat: { enabled: true, intervalSec, maxConcurrentRuns: 1 } },
    });
    expect(status).toBe(200);
  }
  return agents;
}
async function still(agents: readonly Agent[]): Promise<void> {
  for (const { agentId } of agents)
    await cluster().system.call("PATCH", `/agents/${agentId}`, {
      runtimeConfig: { heartbeat: { enabled: false, maxConcurrentRuns: 1 } },
    });
}
const beats = async (agents: readonly Agent[]): Promise<number[]> => {
  const ids = agents.map(({ agentId }) => agentId);
  const rows = await cluster().rows<{ agent_id: string; n: number }>(
    "select agent_id, count(*)::int as n from heartbeat_runs where invocation_source = 'timer' and agent_id = any($1) group by 1",
    [ids],
  );
  return ids.map((id) => rows.find((row) => row.agent_id === id)?.n ?? 0);
};
/** What time it is for the gateway whose clock leaps, as it writes it. */
async function timeOfGateway(): Promise<number> {
  const { companyId } = cluster();
  const answer = await fetch(`${cluster().gateway(1)}/api/companies/${companyId}/agents`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: `Late ${randomUUID().slice(0, 8)}`, adapterType: "noop" }),
  });
  const { createdAt } = (await answer.json()) as { createdAt: string };
  return Date.parse(createdAt);
}
const epochs = () => cluster().rows("select partition, owner, epoch from partitions order by 1");
const unordered = () =>
  cluster().rows(
    `select id, created_at, started_at, finished_at from heartbeat_runs
      where started_at < created_at or finished_at < started_at or finished_at > now() + interval '1 second'`,
  );

test("[F17] the clock of a host, a gateway and a runner leaps: leases hold, timers beat, times are in order", async () => {
  await until("both hosts own", async () => {
    const rows = await cluster().rows("select distinct owner from partitions");
    return rows.length === 2;
  });
  const agents = await beating(8);
  await until("all beat", async () => (await beats(agents)).every((n) => n > 0));
  const owned = await epochs();
  const load = await openLoad(cluster(), { name: "leaps", agents: 6, issues: 1 });
  for (const offset of leaps) {
    clock.jump(offset);
    const before = await beats(agents);
    const from = performance.now();
    await load.more(wakeCount / 3);
    await until("the service's clock has leapt", async () => {
      const seen = (await timeOfGateway()) - Date.now();
      return Math.abs(seen - offset) < 2_000;
    });
    await pause(lastsMs);
    const after = await beats(agents);
    const intervals = (performance.now() - from) / 1_000 / intervalSec;
    const grown = after.map((n, at) => n - before[at]!);
    process.stderr.write(`${offset} ms: ${grown.join(" ")} beats in ${intervals.toFixed(1)}\n`);
    // At most one for each interval, and one at each end; none is away for more than two intervals.
    expect(Math.max(...grown)).toBeLessThanOrEqual(Math.floor(intervals) + 2);
    expect(Math.min(...grown)).toBeGreaterThan(0);
  }
  clock.jump(0);
  expect(await epochs()).toEqual(owned);
  await still(agents);
  await load.settle();
  await cluster().expectAllWell([], agents, "stored");
  expect(await unordered()).toEqual([]);
  expect(await load.outcomes()).toEqual([
    { status: "succeeded", attempt: 1, n: expect.any(Number) },
  ]);
});
