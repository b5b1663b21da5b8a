// One of the four ways to lose something: JetStream's store is gone while everything lives. What was decided is in Postgres: it is
// still there and resumes; a new generation of the stream begins and takes wakes as before.
import { readFileSync } from "node:fs";
import { streamFacts } from "@reveille/shared/nats/stream-facts";
import { expect, test } from "vitest";
import { startCluster, type Cluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** Every stream, as it is before the loss; the buckets are streams too. */
const streams = ["MAILBOX", "EXEC", "LOGS", "KV_issue-locks", "KV_runner-leases"];

const losses: Record<string, (cluster: Cluster) => Promise<void>> = {
  "stream wiped: the server comes back with an empty store": ({ nats }) => nats.wipe(),
  "stream wiped: every stream and bucket is deleted under a living server": async ({ bus }) => {
    for (const name of streams) await bus.jsm.streams.delete(name);
  },
};

const generationOf = async (cluster: Cluster): Promise<number> =>
  (await cluster.rows<{ generation: number }>("select generation from mailbox_state"))[0]!
    .generation;

test.each(Object.keys(losses))("%s", async (name) => {
  const cluster = await startCluster();
  const [holder, waiter, busy, sleeper] = await cluster.agents(4, "released");
  const [later] = await cluster.agents(1, 50);
  const [issueId] = await cluster.issues(1);
  const before: Wake[] = [
    { ...holder!, id: "holds", payload: { issueId } },
    { ...busy!, id: "runs", payload: { taskKey: "a" } },
    { ...busy!, id: "queued", payload: { taskKey: "b" } },
  ];
  for (const wake of before) await cluster.client.wake(wake);
  await until("two runs live", () => cluster.witness.lines().length === 2, {
    describe: () => cluster.witness.lines(),
  });
  const waits: Wake = { ...waiter!, id: "waits", payload: { issueId } };
  await cluster.client.wake(waits);
  await until("the waiter waits", () => cluster.client.verdicts.has("waits"));
  // No runner takes anything from here on: what is dispatched now is in the queue and nowhere else.
  for (const index of [0, 1]) cluster.system.stack.kill("runner", index, "SIGSTOP");
  const dispatched: Wake = { ...later!, id: "dispatched", payload: { taskKey: "c" } };
  await cluster.client.wake(dispatched);
  await until("it is dispatched", () => cluster.client.verdicts.has("dispatched"));
  const generation = await generationOf(cluster);

  await losses[name]!(cluster);
  for (const index of [0, 1]) cluster.system.stack.kill("runner", index, "SIGCONT");
  const after: Wake = { ...sleeper!, id: "after", payload: { taskKey: "d" } };
  await cluster.client.wake(after);
  await until("a wake of the new stream runs, and the dispatched one", () => {
    const started = new Set(cluster.witness.lines().map(({ agentId }) => agentId));
    return started.has(sleeper!.agentId) && started.has(later!.agentId);
  });
  expect(await generationOf(cluster)).toBe(generation + 1);
  await until("the transform echoes the generation", async () =>
    (await streamFacts(cluster.bus, "MAILBOX"))?.transformDest?.startsWith(`${generation + 1}.`),
  );

  cluster.witness.release();
  const wakes = [...before, waits, dispatched, after];
  await cluster.atRest(wakes, 40_000);
  await cluster.expectAllWell(wakes, [holder!, waiter!, busy!, sleeper!, later!]);
  const runs = await cluster.rows<{ status: string; attempt: number; n: number }>(
    "select status, attempt, count(*)::int as n from heartbeat_runs group by 1, 2",
  );
  const logs = [0, 1].map((index) =>
    readFileSync(cluster.process("agent-actor", index).logFile, "utf8"),
  );
  expect(logs.join("")).toContain("undecided wakes may be lost");
  // The loss killed nothing: what ran goes on in its first attempt.
  expect(runs).toEqual([{ status: "succeeded", attempt: 1, n: wakes.length }]);
});
