// The bucket of issue locks is lost while an issue is held and others wait for it. Postgres is the last word: nobody gets the issue
// beside its holder, and when the holder ends, everybody who waited is served.
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** Hosts look at the bucket every 2 s, and so does the keeper who makes it. Measured 4 s; waiting for the period of reconciling was 10 to 20. */
const servedMs = 20_000;

test.each(["while the issue is held", "and the holder ends at once"])(
  "bucket wiped %s: no overlap on the issue, and the waiters are served [I5] [B15]",
  async (moment) => {
    const cluster = await startCluster();
    const { client, witness } = cluster;
    const [holder, ...others] = await cluster.agents(5, "released");
    const [issueId] = await cluster.issues(1);
    const wakeOn = (agent: (typeof others)[number], id: string): Wake => ({
      ...agent,
      id,
      payload: { issueId },
    });
    const wakes = [wakeOn(holder!, "holds")];
    await client.wake(wakes[0]!);
    await until("the holder lives", () => witness.lines().length === 1);
    const waiting = others.slice(0, 3).map((agent, n) => wakeOn(agent, `waits-${n}`));
    await client.wakeAll(waiting);
    wakes.push(...waiting);
    await until("three wait", () => client.verdicts.size === 4);

    await cluster.bus.jsm.streams.delete("KV_issue-locks");
    if (moment.includes("ends")) witness.release();
    // Somebody new finds an empty bucket: it says free, Postgres says held.
    const late = wakeOn(others[3]!, "late");
    await client.wake(late);
    wakes.push(late);
    await until("the late one has its verdict", () => client.verdicts.has("late"));
    if (!moment.includes("ends")) {
      expect(client.verdicts.get("late")?.outcome).toBe("deferred");
      expect(witness.lines()).toHaveLength(1);
      witness.release();
    }
    await cluster.atRest(wakes, servedMs);
    await cluster.expectAllWell(wakes, [holder!, ...others]);
    const served = witness.lines().filter(({ what }) => what === "start");
    expect(served).toHaveLength(wakes.length);
  },
);
