// A pool is taken off the list while work waits in it: nothing of that is lost, everybody says what is wrong, and it is done as soon as
// there is a runner.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { inspectConsumers } from "@reveille/shared/nats/inspection";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { addAgent, runOf, wakeOf } from "../harness/run-evidence.js";
import { until } from "../harness/until.js";

const bin = fileURLToPath(new URL("../../../cli/bin/reveille.mjs", import.meta.url));
const pool = "gpu";
const names = topologyNames("rv");
const withPool = { REVEILLE_RUNNER_POOLS: pool };
const without = { REVEILLE_RUNNER_POOLS: "default" };
const cluster = clusterOfFile({
  gateways: 1,
  agentActors: 1,
  runners: 0,
  env: { "agent-actor": withPool, gateway: withPool },
});

const consumer = async (name: string) =>
  (await inspectConsumers(cluster().bus, names.exec)).find((each) => each.name === name);

async function doctor(): Promise<Record<string, string>> {
  const { nats, system } = cluster();
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    REVEILLE_DATA_DIR: system.stack.dataDir.root,
    NATS_URL: nats.serviceUrl,
    REVEILLE_API_URL: cluster().gateway(1),
  };
  delete env["DATABASE_URL"];
  const text = await new Promise<string>((resolve) =>
    execFile(process.execPath, [bin, "doctor", "--json"], { env, timeout: 60_000 }, (_, stdout) =>
      resolve(stdout),
    ),
  );
  const { checks } = JSON.parse(text) as { checks: { name: string; status: string }[] };
  return Object.fromEntries(checks.map(({ name, status }) => [name, status]));
}

test("work waits, its consumer stays, new choices are refused, and a runner ends it", async () => {
  const { system, client, witness, companyId } = cluster();
  const { stack } = system;
  const config = witness.agent("random", true);
  const agent = await addAgent(cluster(), config, { runner: { pool } });
  const wakes = [wakeOf(agent, "before")];
  await client.wakeAll(wakes);
  const name = names.poolConsumer(pool);
  await until("its execution waits", async () => (await consumer(name))?.pending === 1);

  // Everybody who had the pool on the list goes; who comes has not.
  const [formerHost, formerGateway] = [
    cluster().process("agent-actor", 0),
    cluster().process("gateway", 0),
  ];
  await Promise.all([stack.start("agent-actor", without), stack.start("gateway", without)]);
  await Promise.all([formerHost.stop(20_000), formerGateway.stop(20_000)]);
  // What the keeper of now does is seen by what it makes.
  await cluster().bus.jsm.consumers.delete(names.exec, names.poolConsumer("default"));
  await until("the keeper of now has looked", () => consumer(names.poolConsumer("default")), {
    timeoutMs: 40_000,
    describe: () => cluster().logs(),
  });
  expect(await consumer(name)).toMatchObject({ pending: 1 });

  const reason = `pool ${pool} is not there any more (there are default) and has no runner`;
  const mailbox = await system.call("GET", `/agents/${agent.agentId}/mailbox`);
  expect(mailbox.body["runs"]).toMatchObject([{ waitsFor: "runner", pool, reason }]);
  const { body } = await system.call("GET", "/pools");
  expect(body["pools"]).toContainEqual(
    expect.objectContaining({ pool, configured: false, reason }),
  );
  expect(cluster().log("gateway", 1)).toContain("REVEILLE_RUNNER_POOLS does not name");
  expect(await doctor()).toMatchObject({
    "pool consumers": "ok",
    "former pools": "warn",
    "agents' pools": "warn",
    "runner pools": "fail",
  });

  // Sent back as it was it is accepted; chosen anew it is not.
  const shown = await system.call("GET", `/agents/${agent.agentId}`);
  const { runtimeConfig } = shown.body as { runtimeConfig: object };
  const path = `/agents/${agent.agentId}`;
  expect((await system.call("PATCH", path, { runtimeConfig, title: "Same" })).status).toBe(200);
  const settings = { name: "Late", adapterType: "process", adapterConfig: config };
  const late = { ...settings, runtimeConfig: { runner: { pool } } };
  const refused = await system.call("POST", `/companies/${companyId}/agents`, late);
  expect(refused).toMatchObject({
    status: 400,
    body: { details: [{ path: ["runtimeConfig", "runner", "pool"], options: ["default"] }] },
  });

  // Also what is woken now goes there: the agent has chosen it.
  wakes.push(wakeOf(agent, "after"));
  await client.wakeAll(wakes.slice(1));
  await stack.start("runner", { REVEILLE_RUNNER_POOL: pool });
  await cluster().atRest(wakes, 30_000);
  await cluster().expectAllWell(wakes, [agent]);
  for (const wake of wakes)
    expect(await runOf(cluster(), wake)).toMatchObject({ status: "succeeded", attempt: 1 });
});
