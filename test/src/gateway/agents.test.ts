// Agents over HTTP with real actors behind them: every field, who may change it, deletion, hires and their approval.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCompanyRig } from "./company-rig.js";
import type { CompanyRig } from "./company-rig.js";

let rig: CompanyRig;
let companyId: string;
beforeAll(async () => {
  rig = await startCompanyRig();
  companyId = await rig.company();
});
afterAll(() => rig?.stop());

describe("settings", () => {
  test("every field can be changed, and the answer shows it", async () => {
    const boss = await rig.agent(companyId, { name: "Boss", role: "ceo" });
    const agentId = await rig.agent(companyId, { name: "Plain" });
    const changes = {
      name: "Changed",
      role: "engineer",
      title: "Builder",
      icon: "hammer",
      reportsTo: boss,
      capabilities: "builds",
      adapterConfig: { command: "/bin/echo", env: { A: { type: "plain", value: "1" } } },
      runtimeConfig: { heartbeat: { maxConcurrentRuns: 2 } },
      budgetMonthlyCents: 500,
      metadata: { team: "x" },
    };
    expect(await rig.ok(200, "PATCH", `/agents/${agentId}`, changes)).toMatchObject(changes);
    const shown = await rig.ok(200, "GET", `/agents/${agentId}`);
    expect(shown).toMatchObject({ ...changes, urlKey: "changed" });
    expect(shown["chainOfCommand"]).toEqual([{ id: boss, name: "Boss", role: "ceo", title: null }]);
    const cleared = { title: null, reportsTo: null, metadata: null };
    expect(await rig.ok(200, "PATCH", `/agents/${agentId}`, cleared)).toMatchObject(cleared);
  });

  test.each([
    ["an unknown adapter", { adapterType: "bogus" }, 400, "adapterType"],
    ["a bad cron", { runtimeConfig: { heartbeat: { cron: "every day" } } }, 400, "heartbeat"],
    ["a pool that is not there", { runtimeConfig: { runner: { pool: "gpu" } } }, 400, "pool"],
    ["a misspelt choice of a pool", { runtimeConfig: { runner: { pol: "default" } } }, 400, "pol"],
    ["a pool that is no name", { runtimeConfig: { runner: { pool: 5 } } }, 400, "pool"],
    ["a negative budget", { budgetMonthlyCents: -1 }, 400, "budgetMonthlyCents"],
    ["variables that are none", { adapterConfig: { env: { A: 1 } } }, 400, "env"],
  ])("%s is refused, naming the field", async (_what, settings, status, field) => {
    const before = await rig.rows("select count(*)::int as n from agents");
    const made = await rig.call("POST", `/companies/${companyId}/agents`, {
      name: "Bad",
      ...settings,
    });
    expect(made.status).toBe(status);
    expect(made.body["error"]).toBe("Validation error");
    expect(JSON.stringify(made.body["details"])).toContain(field);
    expect(await rig.rows("select count(*)::int as n from agents")).toEqual(before);
  });

  test.each([
    ["a name that no variable has", { "1A": "x" }],
    ["the placeholder of a hidden value", { A: "***REDACTED***" }],
    [
      "a secret that is not there",
      {
        A: { type: "secret_ref", secretId: "00000000-0000-4000-8000-000000000000" },
      },
    ],
  ])("%s is refused", async (_what, env) => {
    const body = { name: "Bad", adapterConfig: { env } };
    expect((await rig.call("POST", `/companies/${companyId}/agents`, body)).status).toBe(422);
  });

  test("nobody reports to himself, in a circle, or to another company", async () => {
    const [a, b] = [await rig.agent(companyId), await rig.agent(companyId)];
    await rig.ok(200, "PATCH", `/agents/${b}`, { reportsTo: a });
    for (const reportsTo of [a, b]) await rig.ok(422, "PATCH", `/agents/${a}`, { reportsTo });
    const foreign = await rig.agent(await rig.company());
    await rig.ok(404, "PATCH", `/agents/${a}`, { reportsTo: foreign });
  });

  test("status, permissions and spend have ways of their own", async () => {
    const agentId = await rig.agent(companyId);
    for (const body of [
      { status: "paused" },
      { permissions: { canCreateAgents: true } },
      { spentMonthlyCents: 5 },
    ])
      await rig.ok(422, "PATCH", `/agents/${agentId}`, body);
    const permissions = { canCreateAgents: true };
    expect(await rig.ok(200, "PATCH", `/agents/${agentId}/permissions`, permissions)).toMatchObject(
      { permissions },
    );
  });
});

describe("what an agent may do to others", () => {
  test("it sees no configuration but its own, and changes itself alone, never its budget", async () => {
    const [own, other] = [
      await rig.agent(companyId, { name: "Own" }),
      await rig.agent(companyId, { name: "Other" }),
    ];
    const key = await rig.key(own);
    const seen = async (id: string) => rig.ok(200, "GET", `/agents/${id}`, undefined, key);
    expect((await seen(own))["adapterConfig"]).toMatchObject({ command: "/bin/true" });
    expect((await seen(other))["adapterConfig"]).toEqual({});
    await rig.ok(403, "PATCH", `/agents/${other}`, { title: "x" }, key);
    await rig.ok(200, "PATCH", `/agents/${own}`, { title: "x" }, key);
    await rig.ok(403, "PATCH", `/agents/${own}`, { budgetMonthlyCents: 1_000_000 }, key);
    await rig.ok(403, "PATCH", `/agents/${own}/budgets`, { budgetMonthlyCents: 1 }, key);
    await rig.ok(403, "POST", `/companies/${companyId}/agent-hires`, { name: "N" }, key);
    await rig.ok(403, "GET", `/companies/${companyId}/agent-configurations`, undefined, key);
    await rig.ok(403, "DELETE", `/agents/${other}`, undefined, key);
  });

  test("it adds no reference to a secret", async () => {
    const own = await rig.agent(companyId);
    const key = await rig.key(own);
    const secret = await rig.ok(201, "POST", `/companies/${companyId}/secrets`, {
      name: "of the board",
      value: "v",
    });
    const env = { A: { type: "secret_ref", secretId: secret["id"] } };
    const body = { adapterConfig: { command: "/bin/true", env } };
    await rig.ok(403, "PATCH", `/agents/${own}`, body, key);
    await rig.ok(200, "PATCH", `/agents/${own}`, body);
    // What it has it keeps when it changes something else.
    const again = { adapterConfig: { command: "/bin/echo", env } };
    await rig.ok(200, "PATCH", `/agents/${own}`, again, key);
  });
});

describe("the end of an agent", () => {
  test("a deleted agent is gone from every list and route when its process is dead", async () => {
    const agentId = await rig.agent(companyId, {
      name: "Doomed",
      program: "setTimeout(() => {}, 60_000)",
    });
    const key = await rig.key(agentId);
    const report = await rig.agent(companyId, { name: "Report", reportsTo: agentId });
    const run = await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, {});
    await rig.until("it runs", async () => {
      return (
        (await rig.ok(200, "GET", `/heartbeat-runs/${String(run["id"])}`))["status"] === "running"
      );
    });
    expect(await rig.ok(200, "DELETE", `/agents/${agentId}`)).toEqual({ ok: true });
    await rig.ok(404, "GET", `/agents/${agentId}`);
    await rig.ok(404, "GET", `/agents/doomed?companyId=${companyId}`);
    await rig.ok(404, "POST", `/agents/${agentId}/wakeup`, {});
    await rig.ok(401, "GET", `/agents/${agentId}`, undefined, key);
    const listed = (await rig.ok(200, "GET", `/companies/${companyId}/agents`)) as unknown as {
      id: string;
    }[];
    expect(listed.map(({ id }) => id)).not.toContain(agentId);
    await rig.until("its report reports to nobody", async () => {
      return (await rig.ok(200, "GET", `/agents/${report}`))["reportsTo"] === null;
    });
  });

  test("a terminated agent is resumed and paused no more, and gets no key", async () => {
    const agentId = await rig.agent(companyId);
    expect(await rig.ok(200, "POST", `/agents/${agentId}/terminate`)).toMatchObject({
      status: "terminated",
    });
    expect((await rig.ok(409, "POST", `/agents/${agentId}/resume`))["error"]).toBe(
      "Cannot resume terminated agent",
    );
    await rig.ok(409, "POST", `/agents/${agentId}/pause`);
    await rig.ok(409, "POST", `/agents/${agentId}/keys`, {});
  });
});

describe("hires", () => {
  const hire = (body: object, token?: string) =>
    rig.ok(201, "POST", `/companies/${companyId}/agent-hires`, { name: "New", ...body }, token);

  test("approved: the agent can be woken, and who asked is woken with the approval [W3]", async () => {
    const boss = await rig.agent(companyId, { name: "Chief", role: "ceo" });
    const issue = await rig.ok(201, "POST", `/companies/${companyId}/issues`, { title: "Hire" });
    const answer = await hire({ sourceIssueId: issue["id"] }, await rig.key(boss));
    const { agent, approval } = answer as Record<string, Record<string, unknown>>;
    expect(agent).toMatchObject({ status: "pending_approval" });
    expect(approval).toMatchObject({ type: "hire_agent", status: "pending" });
    const agentId = String(agent!["id"]);
    const refused = await rig.ok(409, "POST", `/agents/${agentId}/wakeup`, {});
    expect(refused["details"]).toEqual({ status: "pending_approval" });
    const path = `/approvals/${String(approval!["id"])}`;
    expect(await rig.ok(200, "POST", `${path}/approve`, {})).toMatchObject({
      status: "approved",
      decidedByUserId: "local-board",
    });
    await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, {});
    await rig.ok(422, "POST", `${path}/approve`, {});
    const [wake] = await rig.until("the chief is woken", async () => {
      const rows = await rig.rows(
        "select source, reason, payload, requested_by_actor_id from agent_wakeup_requests where agent_id = $1",
        [boss],
      );
      return rows.length > 0 && rows;
    });
    expect(wake).toMatchObject({
      source: "automation",
      reason: "approval_approved",
      payload: {
        approvalId: approval!["id"],
        approvalStatus: "approved",
        issueId: issue["id"],
        issueIds: [issue["id"]],
      },
      requested_by_actor_id: "local-board",
    });
  });

  test("rejected: the agent is terminated; after a revision it can be asked again", async () => {
    const { agent, approval } = (await hire({})) as Record<string, Record<string, unknown>>;
    const path = `/approvals/${String(approval!["id"])}`;
    await rig.ok(200, "POST", `${path}/request-revision`, { decisionNote: "why?" });
    await rig.ok(422, "POST", `${path}/request-revision`, {});
    await rig.ok(200, "POST", `${path}/resubmit`, {});
    await rig.ok(201, "POST", `${path}/comments`, { body: "because" });
    expect(await rig.ok(200, "GET", `${path}/comments`)).toHaveLength(1);
    await rig.ok(200, "POST", `${path}/reject`, { decisionNote: "no" });
    const after = await rig.ok(200, "GET", `/agents/${String(agent!["id"])}`);
    expect(after["status"]).toBe("terminated");
  });

  test("a rejected approval ends no agent that did not wait for it", async () => {
    const victim = await rig.agent(companyId, { name: "Victim" });
    const approval = await rig.ok(201, "POST", `/companies/${companyId}/approvals`, {
      type: "hire_agent",
      payload: { name: "X", agentId: victim },
    });
    await rig.ok(200, "POST", `/approvals/${String(approval["id"])}/reject`, {});
    expect((await rig.ok(200, "GET", `/agents/${victim}`))["status"]).toBe("idle");
  });

  test("an approval without an agent makes it, and a company can do without approvals", async () => {
    const approval = await rig.ok(201, "POST", `/companies/${companyId}/approvals`, {
      type: "hire_agent",
      payload: { name: "Made Later", adapterConfig: { env: { API_KEY: "plain" } } },
    });
    expect(approval["payload"]).toMatchObject({
      adapterConfig: { env: { API_KEY: { type: "plain", value: "***REDACTED***" } } },
    });
    await rig.ok(200, "POST", `/approvals/${String(approval["id"])}/approve`, {});
    expect(await rig.ok(200, "GET", `/agents/made-later?companyId=${companyId}`)).toMatchObject({
      status: "idle",
    });
    const free = await rig.company({ requireBoardApprovalForNewAgents: false });
    expect(
      await rig.ok(201, "POST", `/companies/${free}/agent-hires`, { name: "F" }),
    ).toMatchObject({
      agent: { status: "idle" },
      approval: null,
    });
  });
});
