// F16: a disk is full: that of runners' workspaces, of Postgres, of NATS, one after the other, each a small file system of its own. What
// cannot be kept is refused in time, the gateway's health says so, and with space everything goes on.
import { setTimeout as pause } from "node:timers/promises";
import { signal } from "@reveille/local/process-identity";
import { afterAll, expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { startTestNats, type TestNats } from "../harness/nats.js";
import { startTestPostgres, type TestPostgres } from "../harness/postgres.js";
import { openRecovery } from "../harness/recovery.js";
import { noSmallDisk, openSmallDisk, type SmallDisk } from "../harness/small-disk.js";
import { until } from "../harness/until.js";

const missing = noSmallDisk();
if (missing !== null) process.stderr.write(`F16 IS SKIPPED, ITS BAR IS NOT MET: ${missing}\n`);
const testOnDisk = test.skipIf(missing !== null);

/** A gateway's patience with a verdict, and some for a busy machine. */
const answeredMs = 15_000;
/** The bars for servers that come back. */
const goesOnMs = { nats: 3_000, postgres: 5_000 };
const wakeCount = inForm(20, 100);

const disks = {} as Record<"nats" | "postgres" | "work", SmallDisk>;
let nats: TestNats;
let postgres: TestPostgres;
// Hooks run backwards: the servers and links go after those who use them.
afterAll(async () => {
  if (missing !== null) return;
  await postgres.stop();
  await nats.stop();
  for (const disk of Object.values(disks)) disk.close();
});
const cluster = clusterOfFile(async () => {
  if (missing !== null) return { gateways: 0, agentActors: 0, runners: 0 };
  for (const name of ["nats", "postgres", "work"] as const) disks[name] = openSmallDisk();
  nats = await startTestNats({ dir: disks.nats.dir });
  postgres = await startTestPostgres({ dir: disks.postgres.dir });
  return { nats, postgres, env: { runner: { REVEILLE_RUNNER_WORK_DIR: disks.work.dir } } };
});

async function post(path: string, body: object): Promise<{ status: number; retryAfter: number }> {
  const response = await fetch(`${cluster().gateway(0)}/api${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(answeredMs * 2),
  });
  await response.text();
  return { status: response.status, retryAfter: Number(response.headers.get("retry-after")) };
}
const health = (): Promise<number> =>
  fetch(`${cluster().gateway(0)}/api/health`).then(({ status }) => status);

testOnDisk(
  "[F16] the disk of the workspaces is full: runs fail and say so, or go on; then all succeed",
  async () => {
    const agents = await cluster().agents(4, 50);
    disks.work.fill();
    const wakes = agents.map((agent) => ({ ...agent, id: `full-${agent.agentId}`, payload: {} }));
    await cluster().client.wakeAll(wakes);
    await cluster().atRest(wakes, 60_000);
    const runs = await cluster().rows<{ status: string; error: string | null }>(
      "select status, error from heartbeat_runs where agent_id = any($1)",
      [agents.map(({ agentId }) => agentId)],
    );
    process.stderr.write(`${JSON.stringify(runs)}\n`);
    for (const { status, error } of runs) if (status !== "succeeded") expect(error).not.toBeNull();
    disks.work.free();
    const load = await openLoad(cluster(), { name: "work" });
    await load.more(wakeCount);
    await load.settle();
    expect(await load.outcomes()).toEqual([
      { status: "succeeded", attempt: 1, n: expect.any(Number) },
    ]);
  },
);

testOnDisk(
  "[F16] Postgres' disk is full: what needs a row is refused with 503, wakes wait in the mailbox, nothing is lost",
  async () => {
    const load = await openLoad(cluster(), { name: "rows" });
    const recovery = await openRecovery(cluster());
    const published = load.more(wakeCount);
    await load.started(2);
    disks.postgres.fill();
    const { companyId } = cluster();
    // Pages that are there take some more rows; large values need new ones.
    const refused = await until(
      "a row is refused",
      async () => {
        const answer = await post(`/companies/${companyId}/issues`, {
          title: "Large",
          description: randomText(60_000),
        });
        return answer.status === 201 ? undefined : answer;
      },
      { timeoutMs: 40_000 },
    );
    expect(refused.status).toBe(503);
    expect(refused.retryAfter).toBeGreaterThan(0);
    disks.postgres.free();
    // It may have panicked over its log; whoever keeps it starts it again.
    if (!signal(postgres.pid, "SIGCONT")) await postgres.start();
    const took = await recovery.tookMs();
    process.stderr.write(`Postgres has space, works again after ${Math.round(took)} ms\n`);
    expect(took).toBeLessThan(goesOnMs.postgres);
    await published;
    await load.settle({ order: "stored", again: true });
    await cluster().expectAllWell(recovery.wakes, recovery.agents, "stored");
  },
);

testOnDisk(
  "[F16] NATS' disk is full: wakes are refused with 503, health is red, the stuck store is noticed; nothing acknowledged is lost",
  async () => {
    const load = await openLoad(cluster(), { name: "stream" });
    const recovery = await openRecovery(cluster());
    await load.more(wakeCount);
    await load.started(wakeCount / 4);
    disks.nats.fill();
    const { agentId } = recovery.agents[0]!;
    const from = performance.now();
    // The last block of a file takes some more bytes: more than that is asked for.
    const payload = { taskKey: "refused", text: randomText(100_000) };
    const answer = post(`/agents/${agentId}/wakeup`, { payload });
    await until("health is red", async () => (await health()) === 503);
    process.stderr.write(`red after ${Math.round(performance.now() - from)} ms\n`);
    const { status, retryAfter } = await answer;
    expect(status).toBe(503);
    expect(retryAfter).toBeGreaterThan(0);
    expect(performance.now() - from).toBeLessThan(answeredMs);
    expect((await fetch(`${nats.monitorUrl}/healthz`)).status).toBe(503);
    disks.nats.free();
    // A stream that could not write stays read-only until the server is started again, as its own health asks for.
    await pause(100);
    expect((await fetch(`${nats.monitorUrl}/healthz`)).status).toBe(503);
    await nats.kill();
    await nats.start();
    const took = await recovery.tookMs();
    process.stderr.write(`NATS has space, works again after ${Math.round(took)} ms\n`);
    expect(took).toBeLessThan(goesOnMs.nats);
    await until("health is green", async () => (await health()) === 200);
    await load.settle({ order: "stored", again: true });
    await cluster().expectAllWell(recovery.wakes, recovery.agents, "stored");
  },
);

/** Text that does not compress. */
function randomText(length: number): string {
  return Array.from({ length: Math.ceil(length / 36) }, () => crypto.randomUUID()).join("");
}
