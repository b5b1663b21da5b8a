// Postgres says "not now": a deadlock with somebody else's transaction, a table that somebody has locked, a transaction that has to be
// repeated because another one was faster. What was to be written is tried again and has its effect once; nobody loses a lease by it.
import pg from "pg";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { expect, onTestFinished, test } from "vitest";
import { clusterOfFile, type Cluster } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { ownershipOf } from "../harness/ownership.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** As every new installation has. */
const partitions = 64;
/** A third of their 10 s for a statement is what services wait for a lock; the rest is for a busy machine. */
const lockedMs = 6_000;

const clusterNow = clusterOfFile();

/** Somebody with a transaction of their own. */
async function open(cluster: Cluster): Promise<pg.Client> {
  const { databaseUrl } = cluster.system.stack.endpoints;
  const client = new pg.Client({ connectionString: databaseUrl, application_name: "somebody" });
  client.on("error", () => undefined);
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** How often hosts have written this so far. */
const written = (cluster: Cluster, text: string): number =>
  cluster.system.stack
    .service("agent-actor")
    .reduce((sum, { index }) => sum + cluster.log("agent-actor", index).split(text).length - 1, 0);

const deadlocks = async (cluster: Cluster): Promise<number> =>
  (
    await cluster.rows<{ n: number }>(
      "select deadlocks::int as n from pg_stat_database where datname = current_database()",
    )
  )[0]!.n;

test("[F26] a batch is the victim of a deadlock: it is tried again, and has one effect", async () => {
  const cluster = clusterNow();
  const load = await openLoad(cluster, { agents: 6, name: "deadlock" });
  const [agent] = await cluster.agents(1, 50);
  const before = await deadlocks(cluster);
  const wakes: Wake[] = [];
  for (let cycle = 0; cycle < inForm(2, 5); cycle += 1) {
    const somebody = await open(cluster);
    await somebody.query("begin");
    await somebody.query("select 1 from agents where id = $1 for update", [agent!.agentId]);
    const wake = { ...agent!, id: `victim-${cycle}`, payload: { taskKey: `t-${cycle}` } };
    wakes.push(wake);
    await cluster.client.wake(wake);
    // The batch has its cursor and waits for the agent; this one waits for the cursor. Postgres looks a second later.
    await until("a batch waits", async () => {
      const [found] = await cluster.rows<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity
          where application_name like 'reveille-agent-actor%' and wait_event_type = 'Lock'`,
      );
      return found!.n > 0;
    });
    await somebody
      .query("update partitions set cursor_ns = cursor_ns where partition = $1", [
        partitionOf(agent!.agentId, partitions),
      ])
      .catch((error: { code?: string }) => expect(error.code).toBe("40P01"));
    await load.more(10);
    await somebody.query("rollback");
  }
  await cluster.atRest(wakes, 30_000);
  await until("Postgres has counted them", async () => (await deadlocks(cluster)) > before);
  expect(written(cluster, "deadlock detected")).toBeGreaterThan(0);
  await cluster.expectAllWell(wakes, [agent!]);
  await load.settle();
  await load.expectUndisturbed();
});

test("[F26] a table is locked for longer than anybody waits for a lock: work waits, leases do not, callers are told", async () => {
  const cluster = clusterNow();
  const load = await openLoad(cluster, { agents: 12, name: "locked" });
  await load.more(20);
  await load.started(5);
  const before = await ownershipOf(cluster);
  const somebody = await open(cluster);
  await somebody.query("begin; lock table heartbeat_runs in access exclusive mode");
  const from = performance.now();
  const asked = cluster.system.call("GET", `/companies/${cluster.companyId}/heartbeat-runs`);
  const more = load.more(30);
  await until("a host has given up waiting", () => written(cluster, "lock timeout") > 0);
  const { status } = await asked;
  expect(status).toBe(503);
  expect(performance.now() - from).toBeLessThan(lockedMs);
  await until("it was locked for long", () => performance.now() - from > inForm(4_000, 10_000));
  // Two leases have nearly passed, or more: both hosts renewed theirs beside what waited.
  expect(await ownershipOf(cluster)).toEqual(before);
  await somebody.query("rollback");
  await more;
  await load.settle();
  await load.expectUndisturbed();
});

test("[F26] transactions have to be repeated because others were faster: one effect each", async () => {
  const cluster = clusterNow();
  const load = await openLoad(cluster, { agents: 12, name: "repeated" });
  const [{ database }] = (await cluster.rows<{ database: string }>(
    "select current_database() as database",
  )) as [{ database: string }];
  /** For sessions that begin now; those that there are end. */
  const isolate = async (how: string): Promise<void> => {
    await cluster.rows(`alter database ${database} ${how}`);
    await cluster.rows(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name like 'reveille-%'`,
    );
  };
  await isolate("set default_transaction_isolation = 'repeatable read'");
  const somebody = await open(cluster);
  // The cursors, which every batch moves: a batch that waits for this transaction finds that it was faster.
  const disturb = (async () => {
    for (let cycle = 0; cycle < inForm(20, 100); cycle += 1) {
      await somebody.query("begin; update partitions set cursor_ns = cursor_ns");
      await somebody.query("select pg_sleep(0.05)");
      await somebody.query("commit");
    }
  })();
  await load.more(inForm(60, 300));
  await disturb;
  expect(written(cluster, "could not serialize access")).toBeGreaterThan(0);
  await isolate("reset default_transaction_isolation");
  await load.settle();
  await load.expectUndisturbed();
});
