// An actor host is frozen past its lease while it works, and thawed when another has long taken over: at any moment, and right before it
// commits. The thawed one finds itself fenced: nothing of what it still had in its hands is applied, and it joins again.
import { expect, test } from "vitest";
import { clusterOfFile, type Cluster } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { ownedBy } from "../harness/ownership.js";
import { until } from "../harness/until.js";

/** A third of the default, so that three leases are three seconds. */
const hostLeaseMs = "1000";
const freezes = inForm(2, 10);
const perFreeze = 60;

const clusterNow = clusterOfFile({
  env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: hostLeaseMs } },
});

/** Lines of a host's log that say that it gave up what it had, by reason. */
const steppedDown = (cluster: Cluster, index: number): string[] =>
  cluster
    .log("agent-actor", index)
    .split("\n")
    .filter((line) => /stepping down|ownership is gone/.test(line));

test("[F5] an actor host is frozen at any moment past its lease, then thawed: the other takes over, nothing is applied twice [B1] [B9]", async () => {
  const cluster = clusterNow();
  const { system } = cluster;
  const load = await openLoad(cluster, { agents: 18, name: "frozen" });
  for (let cycle = 0; cycle < freezes; cycle += 1) {
    const index = cycle % 2;
    const before = await ownedBy(cluster, 2);
    const decided = load.verdicts();
    const first = load.more(perFreeze);
    // In the middle of it: batches are under way, messages are buffered, effects go out.
    await until("some are decided", () => load.verdicts() > decided + perFreeze / 4);
    expect(system.stack.kill("agent-actor", index, "SIGSTOP")).toBe(true);
    const after = await ownedBy(cluster, 1);
    expect(after.epochs).toBeGreaterThan(before.epochs);
    await first;
    await load.more(perFreeze / 4);
    expect(system.stack.kill("agent-actor", index, "SIGCONT")).toBe(true);
    await load.more(perFreeze / 4);
  }
  await ownedBy(cluster, 2);
  await load.settle();
  await load.expectUndisturbed();
  for (let index = 0; index < Math.min(2, freezes); index += 1)
    expect(steppedDown(cluster, index)).not.toEqual([]);
});

test("[F5] an actor host is frozen right before a commit: when it is thawed, Postgres refuses what it writes [B9] [B25]", async () => {
  const cluster = clusterNow();
  const { stack } = cluster.system;
  const load = await openLoad(cluster, { agents: 18, lives: 50, name: "refused" });
  for (let cycle = 0; cycle < inForm(1, 5); cycle += 1) {
    // A third host, which stops itself with its n-th batch in its hands.
    const zombie = await stack.start("agent-actor", {
      REVEILLE_FAILPOINT: `before-commit:${cycle + 2}:freeze`,
    });
    await ownedBy(cluster, 3);
    const published = load.more(perFreeze);
    await until("it is frozen before a commit", () =>
      cluster.log("agent-actor", zombie.index).includes("failpoint before-commit was hit"),
    );
    await published;
    await ownedBy(cluster, 2);
    expect(zombie.kill("SIGCONT")).toBe(true);
    const refused = (): boolean =>
      steppedDown(cluster, zombie.index).some((line) =>
        line.includes("another epoch owns a partition"),
      );
    await until("Postgres refuses its commit", refused, { describe: () => cluster.logs() });
    await load.more(perFreeze / 4);
    await zombie.stop(5_000);
  }
  await load.settle();
  await load.expectUndisturbed();
});
