// What is kept, as it is read: of an agent totals, the latest session and sessions by task; its runs and their events in pages; and the
// index that finds the runs of an issue.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAgent, startGatewayRig } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";

let rig: GatewayRig;
let gateway: GatewayProcess;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway();
  ({ companyId, agentId } = await createAgent(gateway));
});
afterAll(() => rig?.stop());

const read = async (what: string, of = agentId) => {
  const { status, body } = await gateway.call("GET", `/api/agents/${of}/${what}`);
  return { status, body };
};

/** As the agent's actor writes them; `minutes` after some moment. */
async function keepSession(taskKey: string, minutes: number): Promise<void> {
  const at = new Date(Date.UTC(2026, 0, 1, 0, minutes));
  await rig.database.query(
    `insert into agent_task_sessions (company_id, agent_id, adapter_type, task_key, session_params_json, session_display_id, created_at, updated_at)
     values ($1, $2, 'process', $3, $4, $5, $6, $6)`,
    [companyId, agentId, taskKey, { sessionId: `session of ${taskKey}` }, `shown ${taskKey}`, at],
  );
}

test("an agent that never ran has an empty state; an unknown one is 404 [S12]", async () => {
  const { status, body } = await read("runtime-state");
  expect(status).toBe(200);
  expect(body).toMatchObject({
    agentId,
    companyId,
    stateJson: {},
    sessionId: null,
    sessionDisplayId: null,
    sessionParamsJson: null,
    totalInputTokens: 0,
    totalCostCents: 0,
  });
  expect((await read("runtime-state", randomUUID())).status).toBe(404);
});

test("sessions of tasks are listed last used first, and the state shows the latest [S12] [S15]", async () => {
  await keepSession("older", 1);
  await keepSession("newest", 3);
  await keepSession("newer", 2);
  const { status, body } = await read("task-sessions");
  expect(status).toBe(200);
  expect((body as Row[]).map(({ taskKey }) => taskKey)).toEqual(["newest", "newer", "older"]);
  expect((await read("runtime-state")).body).toMatchObject({
    sessionDisplayId: "shown newest",
    sessionParamsJson: { sessionId: "session of newest" },
  });
  expect((await read("task-sessions", randomUUID())).status).toBe(404);
});

test("the runs of an issue are found by an index of their own [B34]", async () => {
  const { rows } = await rig.database.query<{ indexdef: string }>(
    "select indexdef from pg_indexes where tablename = 'heartbeat_runs' and indexdef like '%(issue_id%'",
  );
  expect(rows.length).toBeGreaterThan(0);
});

/** A run as its agent's actor leaves it, with `events` events; `minutes` after some moment. */
async function keepRun(events: number, minutes: number): Promise<string> {
  const id = randomUUID();
  await rig.database.query(
    `insert into heartbeat_runs (id, company_id, agent_id, status, partition, wake_id, generation, stream_seq, created_at)
     values ($1, $2, $3, 'succeeded', 0, 'w', 1, 1, $4)`,
    [id, companyId, agentId, new Date(Date.UTC(2026, 0, 1, 0, minutes))],
  );
  await rig.database.query(
    `insert into heartbeat_run_events (company_id, run_id, agent_id, seq, event_type)
     select $2, $1, $3, n, 'lifecycle' from generate_series(1, $4::int) n`,
    [id, companyId, agentId, events],
  );
  return id;
}

test("runs are listed newest first; without a limit all of them, and a limit is at least 1 [L1]", async () => {
  const ids = [await keepRun(0, 1), await keepRun(0, 3), await keepRun(0, 2)];
  const listed = async (query = "") =>
    (
      (await gateway.call("GET", `/api/companies/${companyId}/heartbeat-runs${query}`))
        .body as Row[]
    ).map(({ id }) => ids.indexOf(String(id)));
  expect(await listed()).toEqual([1, 2, 0]);
  expect(await listed("?limit=2")).toEqual([1, 2]);
  expect(await listed("?limit=-7")).toEqual([1]);
  expect(await listed(`?agentId=${agentId}&limit=1`)).toEqual([1]);
  expect(await listed(`?agentId=${randomUUID()}`)).toEqual([]);
});

test("events come after a number, in order, 200 of them unless a limit from 1 to 1,000 is given [L2]", async () => {
  const runId = await keepRun(1_100, 0);
  const seqs = async (query = "") =>
    ((await gateway.call("GET", `/api/heartbeat-runs/${runId}/events${query}`)).body as Row[]).map(
      ({ seq }) => Number(seq),
    );
  const from = (first: number, count: number) => Array.from({ length: count }, (_, n) => first + n);
  expect(await seqs()).toEqual(from(1, 200));
  expect(await seqs("?afterSeq=5&limit=3")).toEqual([6, 7, 8]);
  expect(await seqs("?limit=5000")).toEqual(from(1, 1_000));
  expect(await seqs("?limit=-1")).toEqual([1]);
  expect(await seqs("?afterSeq=1098")).toEqual([1_099, 1_100]);
  expect(await seqs("?afterSeq=1100")).toEqual([]);
});
