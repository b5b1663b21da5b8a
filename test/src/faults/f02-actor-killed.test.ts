// An actor host is killed: at a random moment under load, and at each place between two steps that must not be torn. Others take its
// partitions within its lease and a second, and what it owed is done by them, once.
import { randomInt } from "node:crypto";
import type { FailpointPlace } from "@reveille/shared/runtime/failpoint";
import { expect, test } from "vitest";
import { clusterOfFile, seeded } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { ownedBy } from "../harness/ownership.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** The default, for which the bar is set. */
const leaseMs = 3_000;
const takeoverMs = leaseMs + 1_000;
const kills = inForm(1, 10);
const perKill = 100;

const clusterNow = clusterOfFile({
  env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: String(leaseMs) } },
});

test("[F2] kill -9 of an actor host under load: its agents are woken again within its lease and a second [B1] [B30] [Z1]", async () => {
  const seed = Number(process.env["REVEILLE_TEST_SEED"] ?? randomInt(1_000_000));
  const below = seeded(seed);
  const cluster = clusterNow();
  const { stack } = cluster.system;
  const load = await openLoad(cluster, { agents: 24, name: "killed", seed });
  const probes = await cluster.agents(16, 50);
  const wakes: Wake[] = [];
  for (let kill = 0; kill < kills; kill += 1) {
    await ownedBy(cluster, 2);
    const before = load.starts();
    const published = load.more(perKill);
    await load.started(before + 5 + below(perKill / 3));
    const alive = stack.service("agent-actor").filter(({ pid }) => pid !== undefined);
    const victim = alive[below(alive.length)]!;
    expect(victim.kill("SIGKILL")).toBe(true);
    const killedAt = performance.now();
    const probed = probes.map((agent, n): Wake => ({
      ...agent,
      id: `probe-${kill}-${n}`,
      payload: { taskKey: "probe" },
    }));
    wakes.push(...probed);
    await cluster.client.wakeAll(probed);
    const heard = (): number[] =>
      probed.flatMap(({ id }) => cluster.client.verdicts.get(id)?.heardAt ?? []);
    await until("all are decided", () => heard().length === probed.length, {
      describe: () => cluster.logs(),
    });
    const tookMs = Math.round(Math.max(...heard()) - killedAt);
    process.stderr.write(`seed ${seed}: taken over ${tookMs} ms after the kill\n`);
    expect(tookMs).toBeLessThan(takeoverMs);
    await published;
    await stack.start("agent-actor");
  }
  await cluster.atRest(wakes, 30_000);
  await load.settle();
  await load.expectUndisturbed();
});

/** Each round's host ends at its n-th coming to a place. */
const rounds = inForm<readonly (readonly [FailpointPlace, number])[]>(
  [
    ["after-takeover", 1],
    ["after-acquire", 1],
    ["before-commit", 3],
    ["after-commit", 1],
    ["after-commit", 4],
    ["before-release", 1],
    ["after-release", 1],
    ["before-settle", 1],
  ] as const,
  (
    [
      "after-acquire",
      "before-commit",
      "after-commit",
      "before-release",
      "after-release",
      "before-settle",
    ] as const
  ).flatMap((place) => [1, 2, 3, 4, 5, 6, 7].map((n) => [place, n] as const)),
);
/** As short as it may be: every round waits for one. */
const shortLeaseMs = "500";

test("[F2] kill -9 between any two steps: what is owed is done after the takeover, once [B1] [B25]", async () => {
  const cluster = clusterNow();
  const { stack } = cluster.system;
  // 100 ms: longer than what a runner calls a short run, so that progress is a message of its own.
  const agents = await cluster.agents(3, 100);
  const [first, second, third] = agents;
  const issues = await cluster.issues(rounds.length);
  const wakes: Wake[] = [];
  await Promise.all(stack.service("agent-actor").map((host) => host.stop(5_000)));

  for (const [round, [place, n]] of rounds.entries()) {
    const payload = { issueId: issues[round]! };
    const own: Wake[] = [
      { ...first!, id: `holds-${round}`, payload },
      { ...second!, id: `waits-${round}`, payload },
      { ...third!, id: `free-${round}`, payload: { taskKey: `task-${round}` } },
    ];
    wakes.push(...own);
    for (const wake of own) await cluster.client.wake(wake);
    const written = await stack
      .start("agent-actor", {
        REVEILLE_FAILPOINT: `${place}:${n}`,
        REVEILLE_HOST_LEASE_TTL_MS: shortLeaseMs,
      })
      .then(
        async (host) => {
          await until(`the host of ${place} ${n} has ended`, () => host.pid === undefined, {
            describe: () => cluster.logs(),
          });
          return cluster.log("agent-actor", host.index);
        },
        // It ended before it could say that it is ready; the error tells the end of its log.
        (error: Error) => error.message,
      );
    expect(written).toContain(`failpoint ${place} was hit`);
  }
  await Promise.all([stack.start("agent-actor"), stack.start("agent-actor")]);
  await cluster.atRest(wakes, 30_000);
  await cluster.expectAllWell(wakes, agents);
  const runs = await cluster.rows<{ status: string; attempt: number }>(
    "select distinct status, attempt from heartbeat_runs",
  );
  expect(runs).toEqual([{ status: "succeeded", attempt: 1 }]);
});
