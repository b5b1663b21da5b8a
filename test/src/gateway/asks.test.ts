// One agent's question to another, as the gateway takes it: who may ask, how far a chain goes, that nobody asks those who wait for him,
// and what becomes of the question. The actor only answers.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { signRunToken } from "@reveille/shared/credentials/run-token";
import { createAgent, startGatewayRig } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";
import { insertRun } from "./tenants.js";

const secret = "a secret of the tests, of more than 32 characters";
let rig: GatewayRig;
let gateway: GatewayProcess;
let companyId: string;
const agents: string[] = [];
beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway({ REVEILLE_RUN_TOKEN_SECRET: secret });
  const first = await createAgent(gateway);
  companyId = first.companyId;
  agents.push(first.agentId);
  for (const name of ["B", "C", "D", "E", "F"]) {
    const made = await gateway.call("POST", `/api/companies/${companyId}/agents`, {
      name,
      adapterConfig: { command: "/bin/true" },
    });
    agents.push(String((made.body as Row)["id"]));
  }
});
afterAll(() => rig.stop());

/** A running run of the agent, and its token. */
async function running(agentId: string, context: object = {}) {
  const claimId = randomUUID();
  const runId = await insertRun(rig.database, { companyId, agentId, claimId });
  await rig.database.query("update heartbeat_runs set context_snapshot = $2 where id = $1", [
    runId,
    context,
  ]);
  const identity = { companyId, agentId, adapterType: "process", runId, attempt: 1, claimId };
  const token = signRunToken(secret, identity, Date.now());
  return { runId, headers: { authorization: `Bearer ${token}` } };
}
const ask = (from: { headers: Record<string, string> }, agentId: string, body: object = {}) =>
  gateway.call("POST", `/api/agents/${agentId}/ask`, { message: "Is it right?", ...body }, from);
const lastContext = (): Row =>
  rig.actor.heard.findLast(({ kind }) => kind === "request")!.body["contextSnapshot"] as Row;

test("a run asks another agent, with itself as parent and a task of its own", async () => {
  const run = await running(agents[0]!);
  const answer = await ask(run, agents[1]!);
  expect(answer).toMatchObject({
    status: 202,
    body: { agentId: agents[1], outcome: "queued", runId: expect.any(String) },
  });
  const { body } = rig.actor.heard.findLast(({ kind }) => kind === "request")!;
  expect(body).toMatchObject({
    source: "automation",
    reason: "asked_by_agent",
    requestedByActorType: "agent",
    requestedByActorId: agents[0],
    contextSnapshot: {
      taskKey: expect.stringMatching(/^ask:/),
      ask: {
        runId: run.runId,
        agentId: agents[0],
        agentName: "Worker",
        message: "Is it right?",
        issueId: null,
        chain: [agents[0]],
      },
    },
  });
  expect(lastContext()).not.toHaveProperty("issueId");
});

test("a chain goes as far as its limit, and never back", async () => {
  let context: object = {};
  for (const at of [0, 1, 2, 3]) {
    const run = await running(agents[at]!, context);
    for (const back of agents.slice(0, at + 1))
      expect(await ask(run, back)).toMatchObject({
        status: 409,
        body: { details: { code: "ask_cycle" } },
      });
    expect(await ask(run, agents[at + 1]!)).toMatchObject({ status: 202 });
    context = lastContext();
  }
  const last = await running(agents[4]!, context);
  expect(await ask(last, agents[5]!)).toMatchObject({
    status: 409,
    body: { details: { code: "ask_too_deep" }, error: expect.stringContaining("4 agents wait") },
  });
});

test("only a run asks, what is there, in its own company", async () => {
  expect(await ask({ headers: {} }, agents[1]!)).toMatchObject({ status: 403 });
  const run = await running(agents[0]!);
  expect(await ask(run, randomUUID())).toMatchObject({ status: 404 });
  const other = await createAgent(gateway);
  expect(await ask(run, other.agentId)).toMatchObject({ status: 404 });
  expect(await ask(run, agents[1]!, { message: "" })).toMatchObject({ status: 400 });
  expect(await ask(run, agents[1]!, { chain: [] })).toMatchObject({ status: 400 });
  expect(await ask(run, agents[1]!, { issueId: randomUUID() })).toMatchObject({ status: 404 });
});

test("what became of a question can be asked until its answer is there", async () => {
  const run = await running(agents[0]!);
  const look = (wakeId: string) =>
    gateway.call("GET", `/api/agents/${agents[1]}/asks/${wakeId}`, undefined, run);
  expect(await look(randomUUID())).toMatchObject({ status: 200, body: { status: "waiting" } });
  const answering = await insertRun(rig.database, { companyId, agentId: agents[1]! });
  const wakeId = randomUUID();
  await rig.database.query(
    `insert into agent_wakeup_requests (company_id, agent_id, source, status, run_id, wake_id, partition, generation, stream_seq)
     values ($1, $2, 'automation', 'claimed', $3, $4, 0, 1, 1)`,
    [companyId, agents[1], answering, wakeId],
  );
  expect(await look(wakeId)).toMatchObject({ body: { status: "running", runId: answering } });
  await rig.database.query(
    "update heartbeat_runs set status = 'succeeded', result_json = $2 where id = $1",
    [answering, { summary: "It is.", sure: true }],
  );
  expect(await look(wakeId)).toMatchObject({
    body: { status: "succeeded", summary: "It is.", result: { sure: true }, error: null },
  });
});

test("a refusal of the actor's is the answer", async () => {
  const run = await running(agents[0]!);
  const before = rig.actor.verdict;
  rig.actor.verdict = () => ({ outcome: "rejected", reason: "queue_full" });
  expect(await ask(run, agents[1]!)).toMatchObject({ status: 429 });
  rig.actor.verdict = before;
});
