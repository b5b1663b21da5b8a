// Postgres has no connection left, or a gateway none of its own: who asks is told so at once and can ask again, mailboxes wait, and no
// host loses its lease, because that has a connection for itself.
import pg from "pg";
import { afterAll, expect, test } from "vitest";
import { clusterOfFile, type Cluster } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { ownershipOf } from "../harness/ownership.js";
import { startTestPostgres, type TestPostgres } from "../harness/postgres.js";
import { openRecovery } from "../harness/recovery.js";
import { until } from "../harness/until.js";

const leaseMs = 2_000;
/** The bar for an answer that says "not now". */
const refusedMs = 2_000;
const backMs = 5_000;
/** Enough for all pools of two of everything, and few enough to be filled. */
const connectionsMax = 40;
const gatewayPool = 2;

let postgres: TestPostgres | undefined;
// Before the cluster's own hook, so that it runs after that.
afterAll(() => postgres?.stop());
const clusterNow = clusterOfFile(async () => {
  postgres = await startTestPostgres({ settings: { max_connections: String(connectionsMax) } });
  return {
    postgres,
    env: {
      gateway: { REVEILLE_DATABASE_POOL: String(gatewayPool) },
      "agent-actor": { REVEILLE_DATABASE_POOL: "4", REVEILLE_HOST_LEASE_TTL_MS: String(leaseMs) },
    },
  };
});

interface Answer {
  status: number;
  retryAfter: string | null;
  tookMs: number;
}

async function ask(http: string, method: string, path: string, body?: object): Promise<Answer> {
  const from = performance.now();
  const response = await fetch(`${http}/api${path}`, {
    method,
    signal: AbortSignal.timeout(20_000),
    ...(body
      ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
      : {}),
  });
  await response.text();
  const { status, headers } = response;
  return { status, retryAfter: headers.get("retry-after"), tookMs: performance.now() - from };
}

/** Takes every connection that is free, and those that services get back meanwhile, until services have none but their leases. */
async function takeAll(cluster: Cluster): Promise<{ release: () => Promise<void> }> {
  const taken: pg.Client[] = [];
  const fill = async (): Promise<void> => {
    for (;;) {
      const client = new pg.Client({ connectionString: postgres!.url });
      client.on("error", () => undefined);
      try {
        await client.connect();
        taken.push(client);
      } catch (error) {
        expect((error as { code?: string }).code).toBe("53300");
        return;
      }
    }
  };
  await until("services have no connection", async () => {
    const ended = await cluster.rows(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where application_name like 'reveille-gateway%' or application_name like 'reveille-agent-actor%'`,
    );
    await fill();
    return ended.length === 0;
  });
  return { release: async () => void (await Promise.all(taken.map((client) => client.end()))) };
}

test("[F25] Postgres is out of connections: refused at once, no lease is lost, all goes on afterwards", async () => {
  const cluster = clusterNow();
  const load = await openLoad(cluster, { agents: 12, name: "crowded" });
  const recovery = await openRecovery(cluster);
  await load.more(10);
  await load.started(5);
  // Of these services, each with a session that is used now and then.
  const before = await ownershipOf(cluster);
  const { release } = await takeAll(cluster);
  const heldFrom = performance.now();
  const [agent] = load.agents;
  const answers: Answer[] = [];
  const published = load.more(30);
  await until(
    "two leases have passed",
    async () => {
      for (const index of [0, 1]) {
        const http = cluster.gateway(index);
        answers.push(await ask(http, "POST", `/agents/${agent!.agentId}/wakeup`, {}));
        answers.push(await ask(http, "GET", `/agents/${agent!.agentId}`));
      }
      return performance.now() - heldFrom > inForm(2, 10) * leaseMs;
    },
    { timeoutMs: 60_000 },
  );
  await published;
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
  expect(answers.every(({ retryAfter }) => Number(retryAfter) > 0)).toBe(true);
  expect(Math.max(...answers.map(({ tookMs }) => tookMs))).toBeLessThan(refusedMs);
  // Nobody took over: both renewed all the time on the connection that is kept for it.
  expect(await ownershipOf(cluster)).toEqual(before);

  await release();
  const tookMs = Math.round(await recovery.tookMs());
  process.stderr.write(`${answers.length} refusals; work went on after ${tookMs} ms\n`);
  expect(tookMs).toBeLessThan(backMs);
  await cluster.atRest(recovery.wakes, 30_000);
  await load.settle();
  await load.expectUndisturbed();
  expect(await ownershipOf(cluster)).toEqual(before);
});

test("[F25] a gateway's own connections are all taken: others are refused at once, and served afterwards", async () => {
  const cluster = clusterNow();
  const http = cluster.gateway(0);
  const blocker = new pg.Client({ connectionString: cluster.system.stack.endpoints.databaseUrl });
  await blocker.connect();
  const path = `/companies/${cluster.companyId}/projects`;
  try {
    await blocker.query("begin; lock table projects in access exclusive mode");
    const waiting = Array.from({ length: gatewayPool }, () => ask(http, "GET", path));
    await until("the pool is taken", async () => {
      const [found] = await cluster.rows<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity
          where application_name = 'reveille-gateway' and wait_event_type = 'Lock'`,
      );
      return found!.n === gatewayPool;
    });
    const others = await Promise.all(Array.from({ length: 10 }, () => ask(http, "GET", path)));
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set([503]));
    expect(Math.max(...others.map(({ tookMs }) => tookMs))).toBeLessThan(refusedMs);
    // Those that wait for the lock do not wait for ever.
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([503, 503]);
  } finally {
    await blocker.end();
  }
  expect((await ask(http, "GET", path)).status).toBe(200);
  await cluster.expectAllWell([], []);
});
