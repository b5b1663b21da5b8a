// A runner that is frozen can neither work nor let go. Its guard kills its trees at the deadline, and only then is the attempt repeated
// elsewhere: the witnesses of both attempts would meet otherwise. Also the orderly end of a runner: drain.
import { runnerLeaseSchema } from "@reveille/shared/protocol/execution";
import { openBucket } from "@reveille/shared/nats/bucket";
import { signal } from "@reveille/local/process-identity";
import { expect, test } from "vitest";
import { startCluster, type Cluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** Short enough for a test, in the proportions of the defaults: deadline below the lease, several renewals within it. */
const leaseMs = "4000";
const timing = {
  REVEILLE_RUNNER_LEASE_TTL_MS: leaseMs,
  REVEILLE_RUNNER_LEASE_RENEW_MS: "300",
  REVEILLE_RUNNER_GUARD_DEADLINE_MS: "2000",
};
const start = (drainMs = "10000"): Promise<Cluster> =>
  startCluster({
    env: {
      "agent-actor": { REVEILLE_RUNNER_LEASE_TTL_MS: leaseMs },
      runner: { ...timing, REVEILLE_RUNNER_DRAIN_MS: drainMs },
    },
  });

/** The pid of the runner that has the go for a run. */
async function runnerOf(cluster: Cluster, wakeId: string): Promise<number> {
  const bucket = await openBucket(cluster.bus, "runner-leases");
  return until("a runner has the run", async () => {
    const [run] = await cluster.rows<{ incarnation: string | null }>(
      "select runner_incarnation as incarnation from heartbeat_runs where wake_id = $1 and phase = 'running'",
      [wakeId],
    );
    const lease = run?.incarnation ? await bucket.get(run.incarnation) : null;
    return lease
      ? runnerLeaseSchema.parse(JSON.parse(Buffer.from(lease.value).toString())).pid
      : undefined;
  });
}

const starts = (cluster: Cluster): { attempt: number; pid: number }[] =>
  cluster.witness.lines().filter(({ what }) => what === "start");

test("runner frozen past its guard's deadline: the tree dies first, then the attempt is repeated once elsewhere [B6] [B30] [Z2]", async () => {
  const cluster = await start();
  const [agent] = await cluster.agents(1, "released");
  const [issueId] = await cluster.issues(1);
  const wakes: Wake[] = [{ ...agent!, id: "long", payload: { issueId } }];
  await cluster.client.wake(wakes[0]!);
  await until("it lives", () => starts(cluster).length === 1);
  const pid = await runnerOf(cluster, "long");

  signal(pid, "SIGSTOP");
  const began = performance.now();
  await until("the second attempt lives", () => starts(cluster).length === 2, {
    describe: () => cluster.logs(),
  });
  // Not before the deadline, and long before anybody would have to wait for the consumer's ack_wait (30 s).
  const tookMs = performance.now() - began;
  expect(tookMs).toBeGreaterThan(1_000);
  expect(tookMs).toBeLessThan(10_000);
  expect(await runnerOf(cluster, "long")).not.toBe(pid);

  signal(pid, "SIGCONT");
  // The thawed runner begins another life and is given work again: two at once for two agents with one slot.
  const others = await cluster.agents(8, 100);
  const more = others.map((other, n): Wake => ({
    ...other,
    id: `more-${n}`,
    payload: { taskKey: "t" },
  }));
  await cluster.client.wakeAll(more);
  wakes.push(...more);
  cluster.witness.release();
  await cluster.atRest(wakes, 30_000);
  await cluster.expectAllWell(wakes, [agent!, ...others]);
  expect(starts(cluster).filter(({ attempt }) => attempt === 2)).toHaveLength(1);
  expect(
    await cluster.rows("select status, attempt, losses from heartbeat_runs where wake_id = 'long'"),
  ).toEqual([{ status: "succeeded", attempt: 2, losses: 1 }]);
});

test("drain: a runner that is told to end gives back what is too long, and it goes on elsewhere, once [B36]", async () => {
  const cluster = await start("500");
  const agents = await cluster.agents(3, "released");
  const wakes = agents.map((agent, n): Wake => ({
    ...agent,
    id: `long-${n}`,
    payload: { taskKey: "t" },
  }));
  await cluster.client.wakeAll(wakes);
  await until("all live", () => starts(cluster).length === wakes.length);
  const pid = await runnerOf(cluster, "long-0");
  const moved = await cluster.rows<{ n: number }>(
    `select count(*)::int as n from heartbeat_runs where runner_incarnation =
      (select runner_incarnation from heartbeat_runs where wake_id = 'long-0')`,
  );

  const began = performance.now();
  signal(pid, "SIGTERM");
  const expected = wakes.length + moved[0]!.n;
  await until("what it had lives again", () => starts(cluster).length === expected, {
    describe: () => cluster.logs(),
  });
  // The grace, the kill and the way through the mailbox; no lease is waited for.
  expect(performance.now() - began).toBeLessThan(5_000);
  const gone = cluster.system.stack.service("runner");
  await until("the runner has ended", () => gone.some((one) => one.pid === undefined));

  cluster.witness.release();
  await cluster.atRest(wakes, 30_000);
  await cluster.expectAllWell(wakes, agents);
  expect(starts(cluster)).toHaveLength(expected);
  const runs = await cluster.rows<{ status: string; attempt: number; losses: number }>(
    "select status, attempt, losses from heartbeat_runs",
  );
  expect(
    runs.every(({ status, attempt, losses }) => status === "succeeded" && attempt === losses + 1),
  ).toBe(true);
});
