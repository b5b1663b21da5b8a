// The orderly end of a runner: what it cannot finish in time it gives back, and that goes on elsewhere.
import { signal } from "@reveille/local/process-identity";
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.js";
import { runnerOf, shortRunnerLeases } from "../harness/runner-process.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

test("drain: a runner that is told to end gives back what is too long, and it goes on elsewhere, once [B36]", async () => {
  const cluster = await startCluster({
    env: {
      ...shortRunnerLeases,
      runner: { ...shortRunnerLeases.runner, REVEILLE_RUNNER_DRAIN_MS: "500" },
    },
  });
  const starts = () => cluster.witness.lines().filter(({ what }) => what === "start");
  const agents = await cluster.agents(3, "released");
  const wakes = agents.map((agent, n): Wake => ({
    ...agent,
    id: `long-${n}`,
    payload: { taskKey: "t" },
  }));
  await cluster.client.wakeAll(wakes);
  await until("all live", () => starts().length === wakes.length);
  const pid = await runnerOf(cluster, "long-0");
  const moved = await cluster.rows<{ n: number }>(
    `select count(*)::int as n from heartbeat_runs where runner_incarnation =
      (select runner_incarnation from heartbeat_runs where wake_id = 'long-0')`,
  );

  const began = performance.now();
  signal(pid, "SIGTERM");
  const expected = wakes.length + moved[0]!.n;
  await until("what it had lives again", () => starts().length === expected, {
    describe: () => cluster.logs(),
  });
  // The grace, the kill and the way through the mailbox; no lease is waited for.
  expect(performance.now() - began).toBeLessThan(5_000);
  const gone = cluster.system.stack.service("runner");
  await until("the runner has ended", () => gone.some((one) => one.pid === undefined));

  cluster.witness.release();
  await cluster.atRest(wakes, 30_000);
  await cluster.expectAllWell(wakes, agents);
  expect(starts()).toHaveLength(expected);
  const runs = await cluster.rows<{ status: string; attempt: number; losses: number }>(
    "select status, attempt, losses from heartbeat_runs",
  );
  expect(
    runs.every(({ status, attempt, losses }) => status === "succeeded" && attempt === losses + 1),
  ).toBe(true);
});
