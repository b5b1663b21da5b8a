// What is kept of an agent between runs, as it is read: totals, the latest session, sessions by task; and the index that finds the runs
// of an issue.
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
