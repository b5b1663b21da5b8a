// Wakes over HTTP and what follows from issues: how verdicts become answers, and that no wake that is owed gets lost.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createAgent, eventually, startGatewayRig } from "./rig.js";
import type { GatewayProcess, GatewayRig, Heard, Row } from "./rig.js";

let rig: GatewayRig;
let gateway: GatewayProcess;
let companyId: string;
let agentId: string;
let standard: GatewayRig["actor"]["verdict"];

beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway();
  ({ companyId, agentId } = await createAgent(gateway));
  standard = rig.actor.verdict;
});
beforeEach(() => {
  rig.actor.verdict = standard;
  rig.actor.tell = { reply: true, table: true };
});
afterAll(() => rig?.stop());

const wake = (body: unknown = {}) => gateway.call("POST", `/api/agents/${agentId}/wakeup`, body);
const heardOf = (agent: string): Heard[] =>
  rig.actor.heard.filter((one) => one.agentId === agent && one.kind === "request");

describe("a verdict becomes an answer", () => {
  test("queued: 202 with the run's row, and who asked is not what the body says", async () => {
    const { status, body } = await wake({
      reason: "why",
      payload: { taskKey: "T" },
      contextSnapshot: { forged: true },
      requestedByActorId: "somebody",
    });
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: "queued", logCompressed: false, error: null });
    expect(heardOf(agentId).at(-1)?.body).toMatchObject({
      source: "on_demand",
      triggerDetail: "manual",
      reason: "why",
      payload: { taskKey: "T" },
      requestedByActorType: "user",
      requestedByActorId: "local-board",
      contextSnapshot: { triggeredBy: "board", actorId: "local-board" },
    });
    expect(heardOf(agentId).at(-1)?.body["contextSnapshot"]).not.toHaveProperty("forged");
  });

  test.each<[string, ReturnType<typeof standard>, number, object]>([
    ["skipped", { outcome: "skipped", reason: "heartbeat.disabled" }, 202, { status: "skipped" }],
    ["deferred", { outcome: "deferred" }, 202, { status: "skipped" }],
    [
      "unknown agent",
      { outcome: "rejected", reason: "agent_not_found" },
      404,
      { error: "Agent not found" },
    ],
    [
      "paused agent",
      { outcome: "rejected", reason: "agent_not_invokable", details: { status: "paused" } },
      409,
      {
        error: "Agent is not invokable in its current state",
        details: { status: "paused" },
      },
    ],
    ["full queue", { outcome: "rejected", reason: "queue_full" }, 429, {}],
    ["full issue", { outcome: "rejected", reason: "issue_queue_full" }, 429, {}],
    [
      "bad input",
      {
        outcome: "rejected",
        reason: "invalid",
        details: { issues: [{ path: ["payload"], message: "no" }] },
      },
      400,
      { error: "Validation error", details: [{ path: ["payload"], message: "no" }] },
    ],
  ])("%s", async (_, verdict, status, body) => {
    rig.actor.verdict = () => verdict;
    const answer = await wake();
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject(body);
    if (status === 429) expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
  });

  test("a lost reply is read from the table after a second", async () => {
    rig.actor.tell = { reply: false, table: true };
    const started = performance.now();
    expect((await wake()).status).toBe(202);
    const tookMs = performance.now() - started;
    expect(tookMs).toBeGreaterThan(900);
    expect(tookMs).toBeLessThan(5_000);
  });

  test("no verdict in time: accepted with the wake id, and the verdict can be asked for", async () => {
    rig.actor.verdict = () => null;
    const { status, body } = await wake();
    expect(status).toBe(202);
    expect(body).toMatchObject({ status: "accepted" });
    const { wakeId } = body as { wakeId: string };
    const path = `/api/wakes/${agentId}/${wakeId}`;
    expect((await gateway.call("GET", path)).status).toBe(404);
    await rig.database.query(
      "insert into wake_verdicts (agent_id, wake_id, company_id, verdict) values ($1, $2, $3, $4)",
      [agentId, wakeId, companyId, JSON.stringify({ outcome: "skipped", wakeId, reason: "late" })],
    );
    expect((await gateway.call("GET", path)).body).toMatchObject({
      outcome: "skipped",
      reason: "late",
    });
  });

  test("an invocation is in the activity log", async () => {
    const { body } = await wake();
    const path = `/api/companies/${companyId}/activity`;
    expect((await gateway.call("GET", path)).body).toContainEqual(
      expect.objectContaining({
        action: "heartbeat.invoked",
        entityId: (body as Row)["id"],
        actorId: "local-board",
        details: { agentId },
      }),
    );
  });
});

describe("an agent's key", () => {
  test("wakes its agent, no other, and is refused when revoked or unknown", async () => {
    const other = await createAgent(gateway);
    const made = await gateway.call("POST", `/api/agents/${agentId}/keys`, { name: "k" });
    const { id, token } = made.body as { id: string; token: string };
    const as = (bearer: string) => ({ headers: { authorization: `Bearer ${bearer}` } });
    const path = `/api/agents/${agentId}/wakeup`;
    expect((await gateway.call("POST", path, {}, as(token))).status).toBe(202);
    expect(heardOf(agentId).at(-1)?.body).toMatchObject({
      requestedByActorType: "agent",
      requestedByActorId: agentId,
    });
    for (const foreign of [`/api/agents/${other.agentId}`, `/api/companies/${other.companyId}`])
      expect((await gateway.call("GET", foreign, undefined, as(token))).status).toBe(404);
    const pause = await gateway.call("POST", `/api/agents/${agentId}/pause`, {}, as(token));
    expect(pause.status).toBe(403);
    await gateway.call("DELETE", `/api/agents/${agentId}/keys/${id}`);
    expect((await gateway.call("POST", path, {}, as(token))).status).toBe(401);
    expect((await gateway.call("POST", path, {}, as("nope"))).status).toBe(401);
    const basic = { headers: { authorization: "Basic eDp5" } };
    expect((await gateway.call("GET", "/api/companies", undefined, basic)).status).toBe(401);
  });
});

describe("what an issue owes", () => {
  test("assignment, comment and mention wake, each once, and the debt goes with the verdict", async () => {
    const assignee = await createAgent(gateway);
    const { companyId: company, agentId: worker } = assignee;
    const named = await gateway.call("POST", `/api/companies/${company}/agents`, { name: "Bob" });
    const bob = String((named.body as Row)["id"]);
    const issue = await gateway.call("POST", `/api/companies/${company}/issues`, {
      title: "Work",
      status: "todo",
      assigneeAgentId: worker,
    });
    const issueId = String((issue.body as Row)["id"]);
    await gateway.call("POST", `/api/issues/${issueId}/comments`, { body: "hey @Bob, look" });
    await eventually(
      "both are woken",
      () => heardOf(worker).length >= 2 && heardOf(bob).length >= 1,
    );
    expect(heardOf(worker).map(({ body }) => body["reason"])).toEqual([
      "issue_assigned",
      "issue_commented",
    ]);
    expect(heardOf(bob)[0]?.body).toMatchObject({
      source: "automation",
      reason: "issue_comment_mentioned",
      payload: { issueId },
    });
    await eventually("nothing is owed", async () => {
      const { rows } = await rig.database.query("select 1 from owed_wakes");
      return rows.length === 0;
    });
    expect(heardOf(worker)).toHaveLength(2);
  });

  test("given a gateway that dies between commit and publish, another one publishes", async () => {
    const { companyId: company, agentId: worker } = await createAgent(gateway);
    const doomed = await rig.gateway();
    await rig.nats.kill();
    try {
      // The rows commit, the publish goes nowhere, and who would repeat it dies.
      const created = await doomed.call("POST", `/api/companies/${company}/issues`, {
        title: "Work",
        assigneeAgentId: worker,
      });
      expect(created.status).toBe(201);
      doomed.child.kill("SIGKILL");
      await doomed.exited;
    } finally {
      await rig.nats.start();
    }
    const { rows } = await rig.database.query(
      "select wake_id from owed_wakes where agent_id = $1",
      [worker],
    );
    expect(rows).toHaveLength(1);
    await eventually("the wake arrives", () => heardOf(worker).length >= 1, 30_000);
    expect(heardOf(worker)[0]?.body).toMatchObject({
      id: rows[0].wake_id,
      reason: "issue_assigned",
    });
  });
});

test("a command reaches the mailbox, and the answer is the row that shows it", async () => {
  const { agentId: worker } = await createAgent(gateway);
  const answer = gateway.call("POST", `/api/agents/${worker}/pause`);
  await eventually("the command arrives", () =>
    rig.actor.heard.find((one) => one.agentId === worker && one.kind === "pause"),
  );
  await rig.database.query("update agents set status = 'paused' where id = $1", [worker]);
  expect(await answer).toMatchObject({ status: 200, body: { id: worker, status: "paused" } });
});

test("a new agent has its partition and its first timer", async () => {
  const { agentId: worker } = await createAgent(gateway, {
    runtimeConfig: { heartbeat: { intervalSec: 60 } },
  });
  const { rows } = await rig.database.query(
    `select partition, extract(epoch from next_timer_at - created_at)::int as after from agents where id = $1`,
    [worker],
  );
  const { partitionOf } = await import("@reveille/shared/protocol/partition");
  expect(rows[0]).toEqual({ partition: partitionOf(worker, 4), after: 60 });
});

test("given no NATS, a wake is refused with a time to come back", async () => {
  await rig.nats.kill();
  try {
    const answer = await eventually("NATS is noticed to be away", async () => {
      const tried = await wake();
      return tried.status === 503 && tried;
    });
    expect(answer.headers.get("retry-after")).not.toBeNull();
    expect((await gateway.call("GET", "/api/health")).status).toBe(503);
    expect((await gateway.call("GET", "/livez")).status).toBe(200);
  } finally {
    await rig.nats.start();
  }
  await eventually("healthy again", async () => {
    return (await gateway.call("GET", "/api/health")).status === 200;
  });
}, 60_000);

test("the document of the API names every route", async () => {
  const { body } = await gateway.call("GET", "/api/openapi.json");
  const { paths } = body as { paths: Record<string, Record<string, unknown>> };
  expect(paths["/api/agents/{agentId}/wakeup"]?.["post"]).toBeDefined();
  expect(Object.keys(paths).length).toBeGreaterThan(30);
  expect((await gateway.call("GET", "/metrics")).body).toMatch(/reveille_wakes_total/);
});
