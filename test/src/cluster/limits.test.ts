// The bounds that wakes meet, on a whole system: each refuses clearly, is counted, and is over by itself when there is room again.
import { randomUUID } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { freePort } from "@reveille/local/free-port";
import { streamFacts } from "@reveille/shared/nats/stream-facts";
import { expect, test } from "vitest";
import { startCluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** A mailbox that a few large wakes fill. */
const mailboxBytes = 2_000_000;
const largeBytes = 200_000;

test("a full mailbox refuses wakes, over HTTP and over NATS, and takes them again when it was read", async () => {
  const cluster = await startCluster({
    gateways: 1,
    agentActors: 1,
    runners: 1,
    env: { "agent-actor": { REVEILLE_MAILBOX_MAX_BYTES: String(mailboxBytes) } },
  });
  const { system, client } = cluster;
  const [agent] = await cluster.agents(1, 50, 1);
  const { companyId, agentId } = agent!;
  const path = `/agents/${agentId}/wakeup`;
  expect((await system.call("POST", path, {})).status).toBe(202);

  // Nobody reads: what is published stays.
  system.stack.kill("agent-actor", 0, "SIGSTOP");
  const js = jetstream(client.connection, { timeout: 2_000 });
  const large = (id: string) =>
    JSON.stringify({ id, payload: { taskKey: id, text: "x".repeat(largeBytes) } });
  const stored: Wake[] = [];
  let refusal = "";
  for (let at = 0; refusal === "" && at < 20; at += 1) {
    const wake = { companyId, agentId, id: randomUUID(), payload: { taskKey: "t" } };
    await js.publish(`rv.${companyId}.agent.${agentId}.wake`, large(wake.id)).then(
      () => stored.push(wake),
      (error: Error) => (refusal = error.message),
    );
  }
  expect(refusal).toMatch(/maximum bytes exceeded/);
  expect(stored.length).toBeGreaterThan(5);
  // The gateway looks at the stream when somebody wants to wake; this one it may still let through, to wait for its verdict.
  const first = system.call("POST", path, {});
  let seen: object = {};
  await until(
    "the gateway refuses wakes",
    async () => {
      const { status, body } = await system.call("POST", path, {});
      seen = { status, body };
      return status === 503 && /80 %|full/.test(JSON.stringify(body));
    },
    { timeoutMs: 40_000, describe: () => seen },
  );

  system.stack.kill("agent-actor", 0, "SIGCONT");
  await until("the gateway takes wakes again", async () => {
    const { status } = await system.call("POST", path, {});
    return status === 202;
  });
  expect([202, 503]).toContain((await first).status);
  await until("the mailbox is trimmed", async () => {
    const facts = await streamFacts(cluster.bus, "MAILBOX");
    return facts !== null && facts.bytes < mailboxBytes / 2;
  });
  await cluster.atRest(stored, 60_000);
});

test("an agent's full queue refuses with 429, is counted by reason, and takes wakes again", async () => {
  const port = await freePort();
  const cluster = await startCluster({
    gateways: 1,
    agentActors: 1,
    runners: 1,
    env: { "agent-actor": { REVEILLE_HEALTH_PORT: String(port) } },
  });
  const { system, witness } = cluster;
  const created = await system.call("POST", `/companies/${cluster.companyId}/agents`, {
    name: "Narrow",
    adapterType: "process",
    adapterConfig: witness.agent("released", true),
    runtimeConfig: { heartbeat: { maxConcurrentRuns: 1, maxQueuedRuns: 2 } },
  });
  const path = `/agents/${String(created.body["id"])}/wakeup`;
  const wake = (task: string) => system.call("POST", path, { payload: { taskKey: task } });
  for (const task of ["runs", "waits", "waits too"]) expect((await wake(task)).status).toBe(202);
  const refused = await wake("too many");
  expect(refused).toMatchObject({ status: 429, body: { error: "The agent's queue is full" } });
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics).toContain('reveille_wakes_rejected_total{reason="queue_full"} 1');
  expect(metrics).toContain('reveille_wakes_decided_total{outcome="queued"} 3');
  witness.release();
  await until("there is room again", async () => (await wake("later")).status === 202);
});
