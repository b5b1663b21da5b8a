// What only a whole system shows of retries and deletions: a retry outlives the host that planned it, and an agent that is
// deleted while its process ignores SIGTERM is gone when that is dead, with its rows.
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startCluster, type Cluster } from "../harness/cluster.js";
import { until } from "../harness/until.js";

interface Run {
  id: string;
  status: string;
  phase: string;
  error_code: string | null;
  retry_of_run_id: string | null;
  retry_number: number;
  not_before: Date | null;
  started_at: Date | null;
  finished_at: Date | null;
  wakeup_request_id: string;
}

/** Long enough to kill a host in between and to start another. */
const retryMs = 6_000;
/** A takeover waits for a lease of 1 s, and timers are read every 10 s. */
const retriedMs = 40_000;

function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), "reveille-retry-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function makeAgent(
  cluster: Cluster,
  script: string,
  config: { adapter?: object; runtime?: object },
): Promise<string> {
  const { status, body } = await cluster.system.call(
    "POST",
    `/companies/${cluster.companyId}/agents`,
    {
      name: `Agent ${randomUUID().slice(0, 8)}`,
      adapterType: "process",
      adapterConfig: { command: "/bin/sh", args: ["-c", script], graceSec: 1, ...config.adapter },
      runtimeConfig: config.runtime ?? {},
    },
  );
  if (status !== 201) throw new Error(`no agent: ${JSON.stringify(body)}`);
  return String(body["id"]);
}

const runsOf = (cluster: Cluster, agentId: string): Promise<Run[]> =>
  cluster.rows<Run>("select * from heartbeat_runs where agent_id = $1 order by created_at", [
    agentId,
  ]);

test("a timeout is tried again as a new run after its delay, though the host was killed in between", async () => {
  const cluster = await startCluster({
    agentActors: 1,
    runners: 1,
    env: { "agent-actor": { REVEILLE_HOST_LEASE_TTL_MS: "1000" } },
  });
  const first = join(scratch(), "first");
  // The first process outlives its timeout, the second one finds its trace and is well.
  const agentId = await makeAgent(cluster, `[ -e ${first} ] && exit 0; touch ${first}; sleep 60`, {
    adapter: { timeoutSec: 1 },
    runtime: { retry: { max: 1, on: ["timeout"], baseSec: retryMs / 1_000, jitter: 0 } },
  });
  await cluster.client.wake({ companyId: cluster.companyId, agentId, id: "tried", payload: {} });
  let runs: Run[] = [];
  const read = async (): Promise<Run[]> => (runs = await runsOf(cluster, agentId));
  const describe = (): unknown => runs;
  await until("the retry waits", async () => (await read()).length === 2, { describe });
  const [failed, delayed] = [runs[0]!, runs[1]!];
  expect(failed).toMatchObject({ status: "timed_out", error_code: "timeout" });
  expect(delayed).toMatchObject({
    status: "queued",
    phase: "queued",
    retry_of_run_id: failed.id,
    retry_number: 1,
    wakeup_request_id: failed.wakeup_request_id,
  });
  const dueMs = delayed.not_before!.getTime();
  expect(dueMs).toBe(failed.finished_at!.getTime() + retryMs);
  const wakes = "select status, run_id, finished_at from agent_wakeup_requests where agent_id = $1";
  expect(await cluster.rows(wakes, [agentId])).toEqual([
    { status: "queued", run_id: delayed.id, finished_at: null },
  ]);

  expect(cluster.system.stack.kill("agent-actor", 0, "SIGKILL")).toBe(true);
  await cluster.system.stack.start("agent-actor");
  await until("the retry is over", async () => (await read()).every((run) => run.finished_at), {
    timeoutMs: retriedMs,
    describe,
  });
  expect(runs).toHaveLength(2);
  expect(runs[1]).toMatchObject({ id: delayed.id, status: "succeeded" });
  expect(runs[1]!.started_at!.getTime()).toBeGreaterThanOrEqual(dueMs);
  expect(await cluster.rows(wakes, [agentId])).toMatchObject([
    { status: "completed", run_id: delayed.id },
  ]);
});

test("an agent is deleted while its process ignores SIGTERM: gone when that is dead, and then its rows", async () => {
  const cluster = await startCluster({ agentActors: 1, runners: 1 });
  const alive = join(scratch(), "alive");
  const agentId = await makeAgent(
    cluster,
    `trap '' TERM; touch ${alive}; while [ -e ${alive} ]; do sleep 0.1; done`,
    { adapter: { graceSec: 2 } },
  );
  const wake = { companyId: cluster.companyId, agentId };
  await cluster.client.wake({ ...wake, id: "runs", payload: {} });
  await cluster.client.wake({ ...wake, id: "waits", payload: { taskKey: "other" } });
  await until("its process lives", () => existsSync(alive));

  const deleting = cluster.system.call("DELETE", `/agents/${agentId}`);
  interface Row {
    deleted_at: Date | null;
    runs: { status: string; finished_at: string | null }[];
  }
  let row: Row | undefined;
  // One statement sees the agent and its runs at one instant: never gone while one of them lives.
  await until(
    "the agent is gone",
    async () => {
      [row] = await cluster.rows<Row>(
        `select a.deleted_at, (select coalesce(json_agg(r), '[]') from heartbeat_runs r where r.agent_id = a.id) as runs
          from agents a where a.id = $1`,
        [agentId],
      );
      const lives = row?.runs.some(({ finished_at }) => finished_at === null) ?? false;
      expect(lives && row?.deleted_at).toBeFalsy();
      return row === undefined || row.deleted_at !== null;
    },
    { timeoutMs: 20_000, describe: () => row },
  );
  expect((await deleting).status).toBe(200);
  const left = `select (select count(*) from heartbeat_runs where agent_id = $1)::int as runs,
      (select count(*) from heartbeat_run_events where agent_id = $1)::int as events,
      (select count(*) from agent_wakeup_requests where agent_id = $1)::int as wakes,
      (select count(*) from agent_runtime_state where agent_id = $1)::int as states,
      (select count(*) from agents where id = $1)::int as agents`;
  let counts: unknown;
  await until(
    "nothing is left of it",
    async () => {
      [counts] = await cluster.rows(left, [agentId]);
      return Object.values(counts as Record<string, number>).every((count) => count === 0);
    },
    { timeoutMs: 20_000, describe: () => counts },
  );
  await cluster.client.wake({ ...wake, id: "late", payload: {} });
  await until("a late wake finds nobody", () => cluster.client.verdicts.has("late"));
  expect(cluster.client.verdicts.get("late")).toMatchObject({
    outcome: "rejected",
    reason: "agent_not_found",
  });
});
