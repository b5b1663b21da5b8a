// Versions and hosts are replaced while work goes on: hosts that leave hand their partitions over, runners end what they have or give it
// back, gateways answer what they were asked, and a version that does not fit refuses to start. Leases are so long here that whatever
// waited for one would be seen.
import type { ServiceName } from "@reveille/local/endpoints";
import { expect, test } from "vitest";
import { clusterOfFile, type Agent, type Cluster } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { ownedBy, ownershipOf } from "../harness/ownership.js";
import { runnerOf } from "../harness/runner-process.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

const leaseMs = 30_000;
/** A joining host is seen at the others' next renewal, a third of the lease later; a leaving one says so itself. */
const joinedMs = leaseMs / 3 + 10_000;
/** The bar for a hand-off: from the signal until others own and decide. */
const handOffMs = 500;
/** Between two wakes: fifty a second, over all partitions. */
const everyMs = 20;
const drainMs = 1_000;

const clusterNow = clusterOfFile({
  agentActors: 3,
  env: {
    "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: String(leaseMs) },
    runner: { REVEILLE_RUNNER_DRAIN_MS: String(drainMs) },
  },
});

/** Agents without a process: what is measured is the hand-off, not what processes cost. */
async function quickAgents(cluster: Cluster, count: number): Promise<Agent[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, n) => {
      const { companyId, system } = cluster;
      const agent = { name: `Quick ${n}`, adapterType: "noop", adapterConfig: {} };
      const { body } = await system.call("POST", `/companies/${companyId}/agents`, agent);
      return { companyId, agentId: String(body["id"]), slots: 1 };
    }),
  );
}

test("[F29] an actor host is told to end: others own and decide what was its own within 500 ms [B1]", async () => {
  const cluster = clusterNow();
  const { client } = cluster;
  const agents = await quickAgents(cluster, 40);
  const wakes: Wake[] = [];
  const publishedAt = new Map<string, number>();
  let publishing = true;
  const publisher = (async () => {
    for (let n = 0; publishing; n += 1) {
      const agent = agents[n % agents.length]!;
      const wake = { ...agent, id: `paced-${n}`, payload: { taskKey: `t-${n}` } };
      wakes.push(wake);
      publishedAt.set(wake.id, performance.now());
      await client.wake(wake);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  await ownedBy(cluster, 3, joinedMs);
  // The longest wait while nothing happens: what this machine has to do besides. The hand-off is what comes on top of it.
  const steadyFrom = performance.now();
  await until("fifty more are decided", () => {
    const steady = wakes.filter(({ id }) => publishedAt.get(id)! > steadyFrom);
    return steady.length > 50 && steady.slice(0, 50).every(({ id }) => client.verdicts.has(id));
  });

  const leaving = cluster.process("agent-actor", 0);
  const from = performance.now();
  expect(leaving.kill("SIGTERM")).toBe(true);
  await ownedBy(cluster, 2);
  const ownedMs = Math.round(performance.now() - from);
  await until("it has ended", () => leaving.pid === undefined);
  const endedAt = performance.now();
  publishing = false;
  await publisher;
  await cluster.atRest(wakes, 40_000);
  await cluster.expectAllWell(wakes, agents);
  // No verdict was lost: nobody died between a commit and its effects.
  const longest = (since: number, before: number): number =>
    Math.round(
      Math.max(
        ...wakes.flatMap(({ id }) => {
          const at = publishedAt.get(id)!;
          return at > since && at < before
            ? (client.verdicts.get(id)?.heardAt ?? Infinity) - at
            : [];
        }),
      ),
    );
  const usualMs = longest(steadyFrom, from - handOffMs);
  const longestMs = longest(from - handOffMs, endedAt);
  process.stderr.write(
    `handed over after ${ownedMs} ms, longest wait for a verdict ${longestMs} ms, before it ${usualMs} ms\n`,
  );
  expect(ownedMs).toBeLessThan(handOffMs + usualMs);
  expect(longestMs).toBeLessThan(handOffMs + usualMs);
});

test("[F29] every service is replaced under load, the new one first: nothing is lost or repeated [B36]", async () => {
  const cluster = clusterNow();
  const { stack } = cluster.system;
  const load = await openLoad(cluster, { agents: 18, name: "rolling" });
  // As short as the drain allows: a run that is longer would be given back, which the next test is about.
  const order: readonly ServiceName[] = ["agent-actor", "runner", "gateway"];
  for (const name of order)
    for (const old of stack.service(name).filter(({ pid }) => pid !== undefined)) {
      const before = load.starts();
      const published = load.more(inForm(20, 80));
      await load.started(before + 3);
      await stack.start(name);
      expect(old.kill("SIGTERM")).toBe(true);
      await until(`${name} ${old.index} has ended`, () => old.pid === undefined);
      await published;
    }
  await load.settle();
  await load.expectUndisturbed();
  const { free } = await ownershipOf(cluster);
  expect(free).toBe(0);
});

test("[F29] a runner that is told to end gives back what is too long, and it goes on elsewhere, once [B36]", async () => {
  const cluster = clusterNow();
  const { stack } = cluster.system;
  const agents = await cluster.agents(3, "released");
  const own = new Set(agents.map(({ agentId }) => agentId));
  const starts = () =>
    cluster.witness.lines().filter(({ what, agentId }) => what === "start" && own.has(agentId));
  const wakes = agents.map((agent, n): Wake => ({ ...agent, id: `long-${n}`, payload: {} }));
  await cluster.client.wakeAll(wakes);
  await until("all live", () => starts().length === wakes.length);
  const pid = await runnerOf(cluster, "long-0");
  const moved = await cluster.rows<{ n: number }>(
    `select count(*)::int as n from heartbeat_runs where phase = 'running' and runner_incarnation =
      (select runner_incarnation from heartbeat_runs where wake_id = 'long-0')`,
  );
  const expected = wakes.length + moved[0]!.n;
  const leaving = stack.service("runner").find((one) => one.pid === pid)!;
  const began = performance.now();
  expect(leaving.kill("SIGTERM")).toBe(true);
  await until("what it had lives again", () => starts().length === expected, {
    describe: () => cluster.logs(),
  });
  // The grace, the kill and the way through the mailbox; no lease is waited for.
  expect(performance.now() - began).toBeLessThan(drainMs + 5_000);
  await until("it has ended", () => leaving.pid === undefined);
  cluster.witness.release();
  await cluster.atRest(wakes, 30_000);
  await cluster.expectAllWell(wakes, agents);
  expect(starts()).toHaveLength(expected);
  const runs = await cluster.rows<{ status: string; attempt: number; losses: number }>(
    "select status, attempt, losses from heartbeat_runs where agent_id = any($1)",
    [[...own]],
  );
  // Handed back, not lost: what a run may lose is as it was.
  expect(runs.every(({ status, losses }) => status === "succeeded" && losses === 0)).toBe(true);
  expect(runs.filter(({ attempt }) => attempt === 2)).toHaveLength(expected - wakes.length);
});

test("[F29] a gateway that is told to end answers what it was asked, and no more", async () => {
  const cluster = clusterNow();
  const { stack } = cluster.system;
  const [agent] = await cluster.agents(1, 50);
  const leaving = await stack.start("gateway");
  const http = cluster.gateway(leaving.index);
  const answers = new Map<string, number | "refused">();
  const ask = async (key: string): Promise<void> => {
    const body = JSON.stringify({ idempotencyKey: key, payload: { taskKey: key } });
    const init = { method: "POST", headers: { "content-type": "application/json" }, body };
    const answer = await fetch(`${http}/api/agents/${agent!.agentId}/wakeup`, init).then(
      ({ status }) => status,
      () => "refused" as const,
    );
    answers.set(key, answer);
  };
  const asked = Array.from({ length: 40 }, (_, n) => ask(`drained-${n}`));
  await Promise.race(asked);
  expect(leaving.kill("SIGTERM")).toBe(true);
  await Promise.all([...asked, ...Array.from({ length: 10 }, (_, n) => ask(`drained-late-${n}`))]);
  await until("it has ended", () => leaving.pid === undefined);
  await cluster.atRest([], 30_000);
  const done = await cluster.rows<{ key: string }>(
    "select distinct idempotency_key as key from agent_wakeup_requests where idempotency_key like 'drained-%'",
  );
  // What it had taken on it has done and answered; what it refused it has not done, so that it can be asked elsewhere.
  const accepted = [...answers].flatMap(([key, answer]) => (answer === 202 ? [key] : []));
  expect(accepted.length).toBeGreaterThan(0);
  expect(done.map(({ key }) => key).toSorted()).toEqual(accepted.toSorted());
  for (const answer of new Set(answers.values())) expect([202, 503, "refused"]).toContain(answer);
});

test("[F29] a version that does not read what the others say refuses to start, and harms nobody", async () => {
  const cluster = clusterNow();
  const { stack } = cluster.system;
  const load = await openLoad(cluster, { agents: 6, name: "versions" });
  const before = await ownershipOf(cluster);
  const [{ protocol }] = (await cluster.rows<{ protocol: number }>(
    "select protocol from mailbox_state",
  )) as [{ protocol: number }];
  await cluster.rows("update mailbox_state set protocol = $1", [protocol + 1]);
  try {
    for (const name of ["agent-actor", "gateway"] as const)
      await expect(stack.start(name)).rejects.toThrow(/WrongVersion/);
  } finally {
    await cluster.rows("update mailbox_state set protocol = $1", [protocol]);
  }
  await load.more(20);
  await load.settle();
  await load.expectUndisturbed();
  expect(await ownershipOf(cluster)).toEqual(before);
});
