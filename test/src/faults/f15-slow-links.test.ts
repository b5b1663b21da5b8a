// F15: every link between services and servers becomes slow (200 ms each way, give or take 100) or narrow (64 kbit/s). Everything takes
// longer and nothing else happens: no host loses its lease, no run its attempt.
import { openBucket } from "@reveille/shared/nats/bucket";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { afterAll, beforeAll, expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { serviceNats, startTestNats, type TestNats } from "../harness/nats.js";
import { sharedPostgresUrl } from "../harness/provided.js";
import { startProxy, type Proxy } from "../harness/proxy.js";
import { openRecovery } from "../harness/recovery.js";

/** More than ten round trips: less would be a wrong setting for such a link. */
const hostLeaseMs = 6_000;
const wakeCount = inForm(10, 60);
/** 64 kbit/s. */
const narrowBytesPerSecond = 8_000;

let nats: TestNats;
/** `narrow`: of one runner and one gateway, to NATS. */
const links = {} as Record<"nats" | "postgres" | "narrow", Proxy>;
const portOf = (url: string): number => Number(new URL(url).port);
// Hooks run backwards: the servers and links go after those who use them.
afterAll(async () => {
  await Promise.all(Object.values(links).map((link) => link.stop()));
  await nats.stop();
});
const cluster = clusterOfFile(async () => {
  nats = await startTestNats();
  links.nats = await startProxy(portOf(nats.serviceUrl));
  links.narrow = await startProxy(links.nats.port);
  links.postgres = await startProxy(portOf(sharedPostgresUrl()));
  return {
    nats,
    gateways: 1,
    runners: 1,
    natsUrlOf: (url: string) => links.nats.urlOf(url),
    databaseUrlOf: (url: string) => links.postgres.urlOf(url),
    env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: String(hostLeaseMs) } },
  };
});
beforeAll(async () => {
  const narrow = links.narrow.urlOf(nats.serviceUrl);
  await cluster().system.stack.start("runner", serviceNats(narrow, "runner"));
  await cluster().system.stack.start("gateway", serviceNats(narrow, "gateway"));
});

const slow: Record<string, () => void> = {
  "200 ms each way, give or take 100, to both servers": () => {
    links.nats.delay(200, 100);
    links.postgres.delay(200, 100);
  },
  // Not of a host: its looks at streams and leases alone are half of that.
  "64 kbit/s between a runner, a gateway and NATS": () =>
    links.narrow.throttle(narrowBytesPerSecond),
};

const epochs = () => cluster().rows("select partition, owner, epoch from partitions order by 1");
const incarnations = async (): Promise<string[]> =>
  (await (await openBucket(cluster().bus, topologyNames("rv").runnerLeases)).keys()).toSorted();

test.each(Object.keys(slow))("[F15] %s: slower, and nothing else", async (weather) => {
  const name = weather.replaceAll(/\W+/g, "-");
  const load = await openLoad(cluster(), { name, agents: 6, issues: 1 });
  const recovery = await openRecovery(cluster());
  const straightMs = await recovery.tookMs();
  const [owned, lives] = [await epochs(), await incarnations()];
  slow[weather]!();
  const [bytes, connections] = [links.narrow.counts.bytes.down, links.narrow.counts.connections];
  const from = performance.now();
  await load.more(wakeCount);
  await load.started(wakeCount / 2, 60_000);
  const slowMs = await recovery.tookMs(60_000);
  const seconds = (performance.now() - from) / 1_000;
  process.stderr.write(
    `${weather}: ${Math.round(slowMs)} ms instead of ${Math.round(straightMs)}, ${Math.round((links.narrow.counts.bytes.down - bytes) / seconds)} B/s\n`,
  );
  await load.settle({ timeoutMs: 120_000 });
  expect([await epochs(), await incarnations()]).toEqual([owned, lives]);
  expect(links.narrow.counts.connections).toBe(connections);
  for (const link of Object.values(links)) link.heal();
  await cluster().expectAllWell(recovery.wakes, recovery.agents);
  expect(await load.outcomes()).toEqual([
    { status: "succeeded", attempt: 1, n: expect.any(Number) },
  ]);
  for (const index of [0, 1])
    expect(cluster().log("agent-actor", index)).not.toMatch(/stepping down|ownership is gone/);
});
