// Messages come twice, late and out of their order: wakes, reports, grants, executions, answers and pieces of logs, while runs are under
// way and long after they are over, with and without what the server could refuse a copy by. Each has one effect.
import { randomInt } from "node:crypto";
import { expect, test } from "vitest";
import { clusterOfFile, seeded, type Cluster } from "../harness/cluster.js";
import { inForm } from "../harness/fault-form.js";
import { openLoad } from "../harness/load.js";
import { openParrot } from "../harness/parrot.js";
import type { Wake } from "../harness/wake-client.js";

const wakes = inForm(80, 400);
const copies = inForm(3, 5);

const clusterNow = clusterOfFile();

/** Every row about these agents, as text: what a copy may not change. */
async function record(cluster: Cluster, agentIds: readonly string[]): Promise<string[]> {
  const tables = [
    "heartbeat_runs",
    "agent_wakeup_requests",
    "heartbeat_run_events",
    "cost_events",
    "agent_runtime_state",
    "agent_task_sessions",
    "wake_verdicts",
  ];
  const found = await Promise.all(
    tables.map((table) =>
      cluster.rows<{ row: string }>(
        `select '${table} ' || to_jsonb(t)::text as row from ${table} t where agent_id = any($1) order by 1`,
        [agentIds],
      ),
    ),
  );
  return found.flat().map(({ row }) => row);
}

test("[F18] everything is said again, soon and much later, in any order: one effect each", async () => {
  const seed = Number(process.env["REVEILLE_TEST_SEED"] ?? randomInt(1_000_000));
  const below = seeded(seed);
  const cluster = clusterNow();
  const parrot = openParrot(cluster.bus, below);
  const load = await openLoad(cluster, { agents: 12, name: "said", seed });
  const agentIds = load.agents.map(({ agentId }) => agentId);
  parrot.repeatSoon();
  await load.more(wakes);
  await cluster.atRest(load.wakes, 60_000);
  parrot.stopRepeating();
  const saidSoon = parrot.said;
  const kinds = parrot.kinds();
  expect(Object.keys(kinds).toSorted()).toEqual(
    expect.arrayContaining([
      "answer",
      "execution",
      "grant",
      "log",
      "run.finished",
      "run.started",
      "wake",
    ]),
  );
  await load.settle();
  await load.expectUndisturbed();

  const before = await record(cluster, agentIds);
  await parrot.repeatAll(copies);
  // Behind all copies in every partition that has some: when these are decided, so are those.
  const last = load.agents.map((agent, n): Wake => ({ ...agent, id: `last-${n}`, payload: {} }));
  const starts = load.starts();
  await cluster.client.wakeAll(last);
  await cluster.atRest([...load.wakes, ...last], 60_000);
  const after = await record(cluster, agentIds);
  const news = after.filter((row) => !row.includes('"last-'));
  const runsOfLast = new Set(
    (
      await cluster.rows<{ id: string }>(
        "select id from heartbeat_runs where agent_id = any($1) and wake_id like 'last-%'",
        [agentIds],
      )
    ).map(({ id }) => id),
  );
  process.stderr.write(
    `seed ${seed}: ${JSON.stringify(kinds)}; ${saidSoon} said again soon, ${parrot.said - saidSoon} later\n`,
  );
  await parrot.stop();
  // The rows of the last wakes are new, and agents' totals count them; nothing else has changed.
  const ofLast = (row: string): boolean =>
    [...runsOfLast].some((id) => row.includes(id)) || row.startsWith("agent_runtime_state");
  expect(news.filter((row) => !ofLast(row))).toEqual(before.filter((row) => !ofLast(row)));
  expect(load.starts()).toBe(starts + last.length);
  await cluster.expectAllWell([...load.wakes, ...last], load.agents);
});
