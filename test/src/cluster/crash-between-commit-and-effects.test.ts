// One of the four ways to lose something: a host dies after a batch is in Postgres and before any of its effects has gone out: the
// dispatch of a run, a go, the answer to a report, a hand-over of a lock. What was owed is redone by whoever comes next, once.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/**
 * Each round's host ends at its n-th commit. A round alone has eight in a row: wake, started, progress and finished of one run, then
 * grant, started, progress and finished of the run that waited for its issue.
 */
const rounds = [1, 2, 3, 4, 5, 6, 7];
/** A third of the default, so that seven takeovers do not take half a minute. */
const hostLeaseMs = "1000";

test("crash between commit and effects: what is owed goes out after the takeover, once [B1] [B25]", async () => {
  const cluster = await startCluster({
    agentActors: 1,
    runners: 1,
    env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: hostLeaseMs } },
  });
  const { stack } = cluster.system;
  // 100 ms: longer than what a runner calls a short run, so that progress is a message of its own.
  const [first, second, third] = await cluster.agents(3, 100);
  const issues = await cluster.issues(rounds.length);
  const wakes: Wake[] = [];
  await cluster.process("agent-actor", 0).stop(5_000);

  for (const [round, n] of rounds.entries()) {
    const host = await stack.start("agent-actor", { REVEILLE_FAILPOINT: `after-commit:${n}` });
    const issueId = issues[round]!;
    const own: Wake[] = [
      { ...first!, id: `holds-${n}`, payload: { issueId } },
      { ...second!, id: `waits-${n}`, payload: { issueId } },
      { ...third!, id: `free-${n}`, payload: { taskKey: `task-${n}` } },
    ];
    wakes.push(...own);
    for (const wake of own) await cluster.client.wake(wake);
    await until(`host ${n} has ended`, () => host.pid === undefined, {
      describe: () => cluster.logs(),
    });
    expect(readFileSync(host.logFile, "utf8")).toContain("failpoint after-commit was hit");
  }
  await stack.start("agent-actor");
  await cluster.atRest(wakes, 30_000);
  await cluster.expectAllWell(wakes, [first!, second!, third!]);
  const runs = await cluster.rows<{ status: string; attempt: number }>(
    "select distinct status, attempt from heartbeat_runs",
  );
  expect(runs).toEqual([{ status: "succeeded", attempt: 1 }]);
});
