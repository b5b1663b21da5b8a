// Everybody at once: equal wakes make one run; an issue that all agents want is worked on by one process at a time, whatever the
// processes leave behind; and a mailbox that filled up while nobody was there is worked off at the usual pace.
import { expect, test } from "vitest";
import { clusterOfFile } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { ownedBy } from "../harness/ownership.js";
import { until } from "../harness/until.js";
import type { Wake } from "../harness/wake-client.js";

/** One after the other, with grandchildren to be killed; measured 15 s for 60 runs. The rest is for a busy machine. */
const restMs = 90_000;
const equal = 20;
const stormAgents = inForm(12, 100);
const stormWakes = inForm(240, 500);
const backlogAgents = 50;
const backlog = inForm(600, 5_000);

const clusterNow = clusterOfFile();

test("[F28] 20 equal wakes at once make one run [B11] [T1] [T2]", async () => {
  const cluster = clusterNow();
  const [agent] = await cluster.agents(1, "released");
  const { companyId, agentId } = agent!;
  const wakes = Array.from({ length: equal }, (_, n): Wake => ({
    companyId,
    agentId,
    id: `equal-${n}`,
    payload: { taskKey: "T" },
  }));
  await Promise.all(wakes.map((wake) => cluster.client.wake(wake)));
  cluster.witness.release();
  await cluster.atRest(wakes, restMs);
  await cluster.expectAllWell(wakes, [agent!]);
  const runs = await cluster.rows<{ id: string }>(
    "select id from heartbeat_runs where agent_id = $1",
    [agentId],
  );
  expect(runs).toHaveLength(1);
  const requests = await cluster.rows<{ status: string; run_id: string }>(
    "select status, run_id from agent_wakeup_requests where agent_id = $1 order by status",
    [agentId],
  );
  expect(requests.map(({ status }) => status)).toEqual([
    ...Array.from({ length: equal - 1 }, () => "coalesced"),
    "completed",
  ]);
  expect(new Set(requests.map(({ run_id }) => run_id))).toEqual(new Set([runs[0]?.id]));
});

test(`[F28] ${stormWakes} wakes at once for one issue from ${stormAgents} agents: never two live processes on it, and all end [I8] [B6] [B13] [B15]`, async () => {
  const cluster = clusterNow();
  const [issueId] = await cluster.issues(1);
  const agents = await cluster.agents(stormAgents, inForm<number | "random">(50, "random"), 2);
  const wakes = Array.from({ length: stormWakes }, (_, n): Wake => {
    const { companyId, agentId } = agents[n % agents.length]!;
    // Comments among them: these never join a run at work, so the storm goes on after its first wave.
    const comment = n % 5 === 0 ? { commentId: `comment-${n}` } : {};
    return { companyId, agentId, id: `storm-${n}`, payload: { issueId, ...comment } };
  });
  await Promise.all(wakes.map((wake) => cluster.client.wake(wake)));
  await cluster.atRest(wakes, restMs);
  // Kernel locks that the processes themselves hold say whether two of them, grandchildren included, have ever met.
  await cluster.expectAllWell(wakes, agents);
  const runs = await cluster.rows<{ agent_id: string; status: string }>(
    "select agent_id, status from heartbeat_runs where issue_id = $1",
    [issueId],
  );
  expect(new Set(runs.map(({ agent_id }) => agent_id)).size).toBe(agents.length);
  expect(new Set(runs.map(({ status }) => status))).toEqual(new Set(["succeeded"]));
});

test(`[F28] ${backlog} wakes that came while no actor host was there: decided in order, in batches, by both that start`, async () => {
  const cluster = clusterNow();
  const { stack, call } = cluster.system;
  const agents = await Promise.all(
    Array.from({ length: backlogAgents }, async (_, n) => {
      const { body } = await call("POST", `/companies/${cluster.companyId}/agents`, {
        name: `Quick ${n}`,
        adapterType: "noop",
        adapterConfig: {},
      });
      return { companyId: cluster.companyId, agentId: String(body["id"]), slots: 1 };
    }),
  );
  await Promise.all(stack.service("agent-actor").map((host) => host.stop(5_000)));
  const wakes = Array.from({ length: backlog }, (_, n): Wake => ({
    ...agents[n % agents.length]!,
    id: `backlog-${n}`,
    payload: { taskKey: `task-${n}` },
  }));
  await cluster.client.wakeAll(wakes);
  await Promise.all([stack.start("agent-actor"), stack.start("agent-actor")]);
  await ownedBy(cluster, 2);
  const began = performance.now();
  await cluster.atRest(wakes, restMs);
  const tookMs = performance.now() - began;
  await cluster.expectAllWell(wakes, agents);
  process.stderr.write(`${backlog} runs in ${Math.round(tookMs)} ms\n`);
  // Each agent's runs in the order in which it was woken: the messages of a partition are applied in theirs.
  const disordered = await cluster.rows(
    `select agent_id, wake_id from (select agent_id, wake_id, started_at, split_part(wake_id, '-', 2)::int as n,
        lag(started_at) over (partition by agent_id order by split_part(wake_id, '-', 2)::int) as before
      from heartbeat_runs where wake_id like 'backlog-%') r where before > started_at`,
  );
  expect(disordered).toEqual([]);
  await until("nothing waits in a mailbox", async () => {
    const [left] = await cluster.rows<{ n: number }>(
      "select count(*)::int as n from wake_verdicts where wake_id like 'backlog-%'",
    );
    return left!.n === backlog;
  });
});
