// F14: one of two services of each kind is cut off from Postgres, from NATS, from both, in both directions or in one, so that its
// connections are half open. It stops by itself before another may take its place, and joins again when the cut is over.
import { openBucket } from "@reveille/shared/nats/bucket";
import { runnerLeaseSchema } from "@reveille/shared/protocol/execution";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { freePort } from "@reveille/local/free-port";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { fullForm, inForm } from "../harness/fault-form.js";
import { openLoad, type Load } from "../harness/load.js";
import { serviceNats, startTestNats, type TestNats } from "../harness/nats.js";
import { sharedPostgresUrl } from "../harness/provided.js";
import { startProxy, type Proxy } from "../harness/proxy.js";
import { openRecovery } from "../harness/recovery.js";
import { runOf, wakeOf } from "../harness/run-evidence.js";
import { guardDeadlineMs, runnerLeaseMs, shortRunnerLeases } from "../harness/runner-process.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** Of a host, by default; the bar for a takeover is a second more. */
const hostLeaseMs = 3_000;
/** Two unanswered pings of 3 s, counted from the next one. */
const noticedMs = 9_000;
/** How long a pull waits in the server, and a delivery for its answer. */
const pullMs = 6_000;
const ackWaitMs = 5_000;
/** For a busy machine, on top of what is measured. */
const slackMs = 1_500;
const wakeCount = inForm(40, 150);

let nats: TestNats;
/** `nats` and `postgres` are those of the cut host and the cut gateway. */
const links = {} as Record<"nats" | "postgres" | "runner", Proxy>;
// Hooks run backwards: the servers and links go after those who use them.
afterAll(async () => {
  await Promise.all(Object.values(links).map((link) => link.stop()));
  await nats.stop();
});
const cluster = clusterOfFile(async () => {
  nats = await startTestNats();
  links.nats = await startProxy(portOf(nats.serviceUrl));
  links.runner = await startProxy(portOf(nats.serviceUrl));
  links.postgres = await startProxy(portOf(sharedPostgresUrl()));
  return { nats, gateways: 1, agentActors: 1, runners: 1, env: shortRunnerLeases };
});
/** Where the cut host answers probes. */
let health = "";
/** The host that is never cut. */
let steady: string | undefined;

beforeAll(async () => {
  const { stack } = cluster().system;
  const port = await freePort();
  health = `http://127.0.0.1:${port}/readyz`;
  [steady] = await owners();
  const link = links.nats.urlOf(nats.serviceUrl);
  const database = { DATABASE_URL: links.postgres.urlOf(stack.endpoints.databaseUrl) };
  const probes = { REVEILLE_HEALTH_PORT: String(port) };
  await stack.start("agent-actor", { ...serviceNats(link, "agent-actor"), ...database, ...probes });
  await stack.start("gateway", { ...serviceNats(link, "gateway"), ...database });
  await stack.start("runner", serviceNats(links.runner.urlOf(nats.serviceUrl), "runner"));
});

const portOf = (url: string): number => Number(new URL(url).port);
async function owners(): Promise<string[]> {
  const rows = await cluster().rows<{ owner: string }>("select distinct owner from partitions");
  return rows.map(({ owner }) => owner);
}
const bothOwn = () => until("both hosts own", async () => (await owners()).length === 2);
const ready = (): Promise<boolean> =>
  fetch(health, { signal: AbortSignal.timeout(1_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
const heal = (): void => Object.values(links).forEach((link) => link.heal());

async function settle(load: Load): Promise<void> {
  await load.settle({ order: "stored" });
  expect(await load.outcomes()).toEqual([
    { status: "succeeded", attempt: 1, n: expect.any(Number) },
  ]);
}

const cutsFromPostgres: Record<string, () => void> = {
  "both servers, both ways": () => {
    links.nats.blackhole();
    links.postgres.blackhole();
  },
  "Postgres, its answers": () => links.postgres.blackhole("down"),
  ...(fullForm
    ? {
        "Postgres, both ways": () => links.postgres.blackhole(),
        "Postgres, its questions": () => links.postgres.blackhole("up"),
      }
    : {}),
};

test.each(Object.keys(cutsFromPostgres))(
  "[F14] a host is cut off from %s: it stops before its lease ends, the other takes over, nothing is done twice",
  async (cut) => {
    await bothOwn();
    const load = await openLoad(cluster(), { name: cut.replaceAll(/\W+/g, "-"), lives: 50 });
    const recovery = await openRecovery(cluster());
    const published = load.more(wakeCount);
    await load.started(wakeCount / 8);
    const held = links.postgres.counts.held;
    const cutAt = performance.now();
    cutsFromPostgres[cut]!();
    await until("it says that it is not ready", async () => !(await ready()));
    const unreadyMs = performance.now() - cutAt;
    await until("the other has taken over", async () => (await owners()).join() === steady);
    const takenMs = performance.now() - cutAt;
    process.stderr.write(
      `${cut}: not ready after ${Math.round(unreadyMs)} ms, taken over after ${Math.round(takenMs)} ms\n`,
    );
    expect(links.postgres.counts.held).toBeGreaterThan(held);
    expect(unreadyMs).toBeLessThan(hostLeaseMs);
    expect(takenMs).toBeLessThan(hostLeaseMs + 1_000 + slackMs);
    await recovery.tookMs();
    heal();
    await published;
    await bothOwn();
    await settle(load);
    await cluster().expectAllWell(recovery.wakes, recovery.agents, "stored");
  },
);

test.each(inForm(["down"] as const, ["down", "up", "both"] as const))(
  "[F14] a host and a gateway are cut off from NATS (%s): they notice, the other host does their work, and the cut's end is their return",
  async (direction) => {
    await bothOwn();
    const load = await openLoad(cluster(), { name: `nats-${direction}`, lives: 50, issues: 2 });
    await load.more(wakeCount / 2);
    const cutAt = performance.now();
    links.nats.blackhole(direction === "both" ? undefined : direction);
    const published = load.more(wakeCount / 2);
    await until("the host has noticed", async () => !(await ready()));
    process.stderr.write(
      `${direction}: noticed after ${Math.round(performance.now() - cutAt)} ms\n`,
    );
    expect(performance.now() - cutAt).toBeLessThan(noticedMs + slackMs);
    const seen = await until("the gateway has noticed", async () => {
      const answer = await fetch(
        `${cluster().gateway(1)}/api/agents/${load.agents[0]!.agentId}/wakeup`,
        {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: "{}",
        },
      );
      return answer.status === 503 && answer.headers.get("retry-after");
    });
    expect(Number(seen)).toBeGreaterThan(0);
    expect((await fetch(`${cluster().gateway(0)}/api/health`)).status).toBe(200);
    await until("the other has taken over", async () => (await owners()).join() === steady);
    const takenMs = performance.now() - cutAt;
    process.stderr.write(`${direction}: taken over after ${Math.round(takenMs)} ms\n`);
    // It waits for one lease whether NATS comes back, and then lets its own end.
    expect(takenMs).toBeLessThan(noticedMs + 3 * hostLeaseMs + slackMs);
    await published;
    await load.settle({ order: "stored" });
    heal();
    await until("it is ready again", ready);
    await bothOwn();
  },
);

/** The life that a runner process has now. */
async function incarnationOf(pid: number): Promise<string> {
  const bucket = await openBucket(cluster().bus, topologyNames("rv").runnerLeases);
  for (const key of await bucket.keys()) {
    const lease = await bucket.get(key);
    const value = runnerLeaseSchema.parse(JSON.parse(Buffer.from(lease!.value).toString()));
    if (value.pid === pid) return key;
  }
  throw new Error(`no lease of process ${pid}`);
}

test("[F14] a runner is cut off from NATS past its lease: its trees are dead before their runs go on elsewhere", async () => {
  cluster().witness.hold();
  const agents = await cluster().agents(8, "released");
  const wakes = agents.map((agent): Wake => wakeOf(agent, `cut-${agent.agentId}`));
  await cluster().client.wakeAll(wakes);
  const rows = async () => Promise.all(wakes.map((wake) => runOf(cluster(), wake)));
  await until("all live", async () => (await rows()).every((run) => run?.phase === "running"));
  const before = await rows();
  const direct = await incarnationOf(cluster().process("runner", 0).pid!);
  const cut = wakes.filter((_, n) => before[n]!.runner_incarnation !== direct);
  expect(cut.length).toBeGreaterThan(0);
  const cutAt = performance.now();
  links.runner.blackhole();
  const lost = async (): Promise<boolean> =>
    (await rows()).every((run, n) => run!.attempt > 1 || !cut.includes(wakes[n]!));
  await until("they are known to be lost", lost, { describe: rows });
  const lostMs = performance.now() - cutAt;
  const elsewhere = async (): Promise<boolean> => {
    const now = await rows();
    return (
      now.every((run) => run?.phase === "running") &&
      new Set(now.map((run) => run!.runner_incarnation)).size === 1
    );
  };
  await until("its runs live elsewhere", elsewhere, { timeoutMs: 40_000, describe: rows });
  const tookMs = performance.now() - cutAt;
  process.stderr.write(
    `lost after ${Math.round(lostMs)} ms, elsewhere after ${Math.round(tookMs)} ms\n`,
  );
  expect(lostMs).toBeGreaterThan(guardDeadlineMs);
  expect(lostMs).toBeLessThan(runnerLeaseMs + 2_000 + slackMs);
  // The server still gives work to the open pulls of who was cut off, and gives it to others when that is not answered.
  expect(tookMs - lostMs).toBeLessThan(pullMs + ackWaitMs + slackMs);
  heal();
  cluster().witness.release();
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, agents, "stored");
  const ended = await rows();
  expect(ended.every((run) => run?.status === "succeeded")).toBe(true);
  expect(ended.some((run) => run!.attempt === 2)).toBe(true);
});
