// A whole system in which every service has only what its generated permissions allow: everything works, and the server refuses
// nothing. What is not permitted shows as a violation in the server's log, so that is what is looked at.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { connectBus } from "@reveille/shared/nats/bus";
import { replayLog } from "@reveille/shared/nats/log-stream";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { startTestNats, type TestNats } from "../harness/nats.js";
import { until } from "../harness/until.js";
import { openWakeClient, type WakeClient } from "../harness/wake-client.js";
import {
  createAgent,
  runIsOver,
  startWholeSystem,
  type WholeSystem,
} from "../harness/whole-system.js";

let nats: TestNats;
let system: WholeSystem;
let client: WakeClient;

beforeAll(async () => {
  nats = await startTestNats();
  system = await startWholeSystem({
    natsUrl: nats.serviceUrl,
    partitions: 8,
    counts: { gateways: 1, agentActors: 2, runners: 1 },
    env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: "1500" } },
  });
  client = await openWakeClient(nats.url);
});
afterAll(async () => {
  await client?.close();
  await system?.stop();
  await nats?.stop();
});
// Each line once, or a refused loop would fill the screen.
afterEach(() => expect([...new Set(refusals())]).toEqual([]));

/** What the server has refused so far: who and what, without when. */
const refusals = (): string[] =>
  nats
    .log()
    .split("\n")
    .flatMap((line) => /user:\S+" - .*violation.*$/i.exec(line)?.[0] ?? []);

/** Wakes over NATS and waits for the verdict; the run's id. */
async function wake(
  agent: { companyId: string; agentId: string },
  payload: Record<string, unknown> = {},
): Promise<string> {
  const id = `wake-${client.verdicts.size}`;
  await client.wake({ ...agent, id, payload });
  const verdict = await until("a verdict", () => client.verdicts.get(id), {
    describe: () => [...new Set(refusals())],
  });
  expect(verdict.run).toBeDefined();
  return verdict.run!.id;
}

async function storedLog(companyId: string, runId: string): Promise<string> {
  const bus = await connectBus({ url: nats.url, name: "reader" });
  const read: Uint8Array[] = [];
  for await (const { bytes } of replayLog({ bus, subjects: createSubjects(), companyId, runId }))
    read.push(bytes);
  await bus.close();
  return Buffer.concat(read).toString();
}

test("a run from its wake over NATS to its replayed log", async () => {
  const agent = await createAgent(system, "console.log('hello')");
  const runId = await wake(agent);
  expect(await runIsOver(system, runId)).toMatchObject({ status: "succeeded" });
  expect(await storedLog(agent.companyId, runId)).toBe("hello\n");
  const shown = await system.call("GET", `/heartbeat-runs/${runId}/log`);
  expect(shown.status).toBe(200);
});

test("a run that is cancelled", async () => {
  const agent = await createAgent(system, "setInterval(() => console.log('tick'), 50)");
  const runId = await wake(agent);
  await until("it prints", async () => (await storedLog(agent.companyId, runId)).includes("tick"));
  expect((await system.call("POST", `/heartbeat-runs/${runId}/cancel`)).status).toBe(200);
  expect(await runIsOver(system, runId)).toMatchObject({ status: "cancelled" });
});

test("an issue's lock, a secret, a look at the adapters, the runners and the infrastructure", async () => {
  const agent = await createAgent(system, "console.log(process.env.PASS)");
  const company = `/companies/${agent.companyId}`;
  const issue = await system.call("POST", `${company}/issues`, { title: "One" });
  const secret = await system.call("POST", `${company}/secrets`, {
    name: "pass",
    value: "s3cr3t-1",
  });
  const env = { PASS: { type: "secret_ref", secretId: secret.body["id"], version: "latest" } };
  const adapterConfig = {
    command: process.execPath,
    args: ["-e", "console.log(process.env.PASS)"],
    env,
  };
  await system.call("PATCH", `/agents/${agent.agentId}`, { adapterConfig });
  const runId = await wake(agent, { issueId: String(issue.body["id"]) });
  expect(await runIsOver(system, runId)).toMatchObject({ status: "succeeded" });
  const probe = { adapterConfig: { command: process.execPath } };
  const tried = await system.call("POST", `${company}/adapters/process/test-environment`, probe);
  expect(tried.body).toMatchObject({ status: "pass" });
  for (const path of ["/partitions", "/runners", "/pools", "/adapters"])
    expect([path, (await system.call("GET", path)).status]).toEqual([path, 200]);
  expect((await fetch(`${system.http}/metrics`)).status).toBe(200);
});

test("the operator's commands", async () => {
  const cli = fileURLToPath(new URL("../../../cli/dist/main.js", import.meta.url));
  const { databaseUrl, http } = system.stack.endpoints;
  const env = {
    ...process.env,
    DATABASE_URL: databaseUrl,
    // Not without credentials: doctor tries then what it may not do.
    NATS_URL: nats.urlOf("operator"),
    REVEILLE_SERVICE_NATS_URL: nats.urlOf("operator"),
    REVEILLE_API_URL: http,
  };
  for (const command of ["topology", "doctor", "verify"]) {
    const child = spawn(process.execPath, [cli, command], { env });
    let said = "";
    for (const pipe of [child.stdout, child.stderr])
      pipe.on("data", (text: Buffer) => (said += text.toString()));
    const [code] = (await once(child, "exit")) as [number];
    const bad = said.split("\n").filter((line) => line && !/^(ok|skip) /.test(line));
    expect([command, code, code === 0 ? "" : bad.join("\n")]).toEqual([command, 0, ""]);
  }
});

test("a host that is killed is taken over", async () => {
  const agent = await createAgent(system, "setTimeout(() => console.log('done'), 1000)");
  const runId = await wake(agent);
  system.stack.kill("agent-actor", 0, "SIGKILL");
  expect(await runIsOver(system, runId, 60_000)).toMatchObject({ status: "succeeded" });
  await runIsOver(system, await wake(agent), 60_000);
});

test("a runner that is killed: its guard tells, and another has the run again", async () => {
  const agent = await createAgent(system, "setTimeout(() => console.log('done'), 1500)");
  const runId = await wake(agent);
  await until(
    "it runs",
    async () => (await system.call("GET", `/heartbeat-runs/${runId}`)).body["status"] === "running",
  );
  system.stack.kill("runner", 0, "SIGKILL");
  await system.stack.start("runner");
  expect(await runIsOver(system, runId, 60_000)).toMatchObject({ status: "succeeded" });
});
