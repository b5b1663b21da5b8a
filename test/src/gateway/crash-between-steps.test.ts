// A gateway that dies between two steps of what it was asked: what was asked is done by somebody else, or can be asked again, once.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { FailpointPlace } from "@reveille/shared/runtime/failpoint";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startCompanyRig } from "./company-rig.js";
import type { CompanyRig, Row } from "./company-rig.js";

let rig: CompanyRig;
beforeAll(async () => {
  rig = await startCompanyRig();
});
afterAll(() => rig?.stop());

/** Asks a gateway of its own that ends at the place, and resolves when it has. */
async function askDoomed(place: FailpointPlace, method: string, path: string, body?: object) {
  const doomed = await rig.system.stack.start("gateway", {
    REVEILLE_FAILPOINT: `${place}:1`,
    REVEILLE_HTTP_PORT: "0",
  });
  const answer = fetch(`${String(doomed.ready?.http)}/api${path}`, {
    method,
    signal: AbortSignal.timeout(20_000),
    ...(body
      ? { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }
      : {}),
  });
  await expect(answer).rejects.toThrow();
  await rig.until("the gateway is dead", async () => doomed.pid === undefined);
  expect(readFileSync(doomed.logFile, "utf8")).toContain(`failpoint ${place} was hit`);
}

const one = async (sql: string, values: unknown[]): Promise<Row> =>
  (await rig.rows(sql, values))[0]!;

test("an approval that was told to its agent and not written: it is still to be decided, and decided once", async () => {
  const companyId = await rig.company({ requireBoardApprovalForNewAgents: true });
  const hired = await rig.ok(201, "POST", `/companies/${companyId}/agent-hires`, { name: "New" });
  const { agent, approval } = hired as Record<string, Row>;
  const [agentId, path] = [String(agent!["id"]), `/approvals/${String(approval!["id"])}`];
  await askDoomed("after-approval-command", "POST", `${path}/approve`, {});
  await rig.until("the agent has heard it", async () => {
    const { status } = await one("select status from agents where id = $1", [agentId]);
    return status === "idle";
  });
  expect(await rig.ok(200, "GET", path)).toMatchObject({ status: "pending" });
  expect(await rig.ok(200, "POST", `${path}/approve`, {})).toMatchObject({ status: "approved" });
  await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, {});
});

test("a dead letter that went into its mailbox and is still there: replayed again it changes nothing", async () => {
  const companyId = await rig.company();
  const agentId = await rig.agent(companyId);
  const wakeId = randomUUID();
  const payload = Buffer.from(JSON.stringify({ id: wakeId, reason: "again" })).toString("base64");
  const { id } = await one(
    `insert into dead_letters (company_id, agent_id, partition, generation, stream_seq, kind, stage, reason, payload_base64)
     values ($1, $2, 0, 1, 1, 'wake', 'commit', 'as a test wants it', $3) returning id`,
    [companyId, agentId, payload],
  );
  const path = `/dead-letters/${String(id)}`;
  await askDoomed("after-letter", "POST", `${path}/replay`);
  const verdicts = () =>
    rig.rows("select verdict ->> 'outcome' as outcome from wake_verdicts where wake_id = $1", [
      wakeId,
    ]);
  await rig.until("the wake is decided", async () => (await verdicts()).length > 0);
  await rig.ok(202, "POST", `${path}/replay`);
  await rig.ok(404, "GET", path);
  await rig.until("its run is over", async () => {
    const { open } = await one(
      "select count(*)::int as open from heartbeat_runs where agent_id = $1 and phase <> 'over'",
      [agentId],
    );
    return open === 0;
  });
  expect(await verdicts()).toEqual([{ outcome: "queued" }]);
  const runs = await rig.rows("select id from heartbeat_runs where agent_id = $1", [agentId]);
  expect(runs).toHaveLength(1);
});

test("a company that was opened and whose agents were not told: they look by themselves", async () => {
  const companyId = await rig.company();
  const agentId = await rig.agent(companyId, { program: "setTimeout(() => {}, 1_000)" });
  for (const taskKey of ["runs", "waits"])
    await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, { payload: { taskKey } });
  await rig.ok(200, "PATCH", `/companies/${companyId}`, { status: "paused" });
  await rig.until("the second one stands before a closed gate", async () => {
    const { at } = await one("select next_retry_at as at from agents where id = $1", [agentId]);
    return at;
  });
  await askDoomed("before-admission", "PATCH", `/companies/${companyId}`, { status: "active" });
  expect(await rig.ok(200, "GET", `/companies/${companyId}`)).toMatchObject({ status: "active" });
  const { inMs } = await one(
    'select extract(epoch from next_retry_at - now())::float8 * 1000 as "inMs" from agents where id = $1',
    [agentId],
  );
  expect(Number(inMs)).toBeLessThanOrEqual(60_000);
});

test("an assignment whose wake was not published: another gateway publishes it", async () => {
  const companyId = await rig.company();
  const agentId = await rig.agent(companyId);
  await askDoomed("before-owed", "POST", `/companies/${companyId}/issues`, {
    title: "Owed",
    status: "todo",
    assigneeAgentId: agentId,
  });
  await rig.until("the wake is decided", async () => {
    const rows = await rig.rows(
      "select id from agent_wakeup_requests where agent_id = $1 and source = 'assignment'",
      [agentId],
    );
    return rows.length === 1;
  });
  await rig.until("nothing is owed", async () => {
    const rows = await rig.rows("select wake_id from owed_wakes where agent_id = $1", [agentId]);
    return rows.length === 0;
  });
});
