// Postgres dies under load: its postmaster, one of its sessions (which takes all of them down), or its sessions are ended by an
// administrator. Mailboxes wait, nothing is dropped or written by half, and work goes on within five seconds of its return.
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { signal } from "@reveille/local/process-identity";
import { clusterOfFile, type Cluster } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { startTestPostgres, type TestPostgres } from "../harness/postgres.js";
import { openRecovery } from "../harness/recovery.js";
import { until } from "../harness/until.js";

/** The bar: from the first connection that Postgres takes again. */
const backMs = 5_000;
const perFault = 80;

let postgres: TestPostgres | undefined;
// Before the cluster's own hook, so that it runs after that.
afterAll(() => postgres?.stop());
const clusterNow = clusterOfFile(async () => {
  postgres = await startTestPostgres();
  return { postgres };
});

const occurrences = (text: string): number =>
  readFileSync(postgres!.logFile, "utf8").split(text).length - 1;

/** A session that has a batch in its hands, or would have the next one. */
async function oneSession(cluster: Cluster): Promise<number> {
  const [found] = await cluster.rows<{ pid: number }>(
    `select pid from pg_stat_activity where application_name like 'reveille-agent-actor%'
      order by (state = 'active' and query like '%commit%') desc, state_change desc limit 1`,
  );
  return found!.pid;
}

/** Each harms Postgres and resolves when that was seen to have happened. */
const harms: Record<string, (cluster: Cluster) => Promise<void>> = {
  "its postmaster is killed": async () => {
    const { pid } = postgres!;
    await postgres!.kill();
    await postgres!.start();
    expect(postgres!.pid).not.toBe(pid);
  },
  "one of its sessions is killed": async (cluster) => {
    const before = occurrences("was terminated by signal 9");
    expect(signal(await oneSession(cluster), "SIGKILL")).toBe(true);
    await until("it starts its sessions anew", () => {
      return occurrences("was terminated by signal 9") > before;
    });
    await until("it takes connections", () =>
      cluster.rows("select 1").then(
        () => true,
        () => false,
      ),
    );
  },
  "all of its sessions are ended": async (cluster) => {
    const ended = await cluster.rows(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`,
    );
    expect(ended.length).toBeGreaterThan(4);
  },
};

test.each(Object.keys(harms))("[F12] Postgres: %s under load [B1] [B25]", async (name) => {
  const cluster = clusterNow();
  const load = await openLoad(cluster, { agents: 18, name: name.replaceAll(" ", "-") });
  const recovery = await openRecovery(cluster);
  for (let cycle = 0; cycle < inForm(1, 5); cycle += 1) {
    const before = load.starts();
    const published = load.more(perFault);
    await load.started(before + 10);
    await harms[name]!(cluster);
    const tookMs = Math.round(await recovery.tookMs());
    process.stderr.write(`${name}: work went on after ${tookMs} ms\n`);
    expect(tookMs).toBeLessThan(backMs);
    await published;
  }
  await cluster.atRest(recovery.wakes, 30_000);
  await load.settle();
  await load.expectUndisturbed();
});
