// Costs, budgets and gates of a company over HTTP, with real actors that count and stop.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCompanyRig } from "./company-rig.js";
import type { CompanyRig, Row } from "./company-rig.js";

let rig: CompanyRig;
beforeAll(async () => {
  rig = await startCompanyRig();
});
afterAll(() => rig?.stop());

const cost = (companyId: string, agentId: string, costCents: number, more: object = {}) =>
  rig.ok(201, "POST", `/companies/${companyId}/cost-events`, {
    agentId,
    provider: "p",
    model: "m",
    costCents,
    inputTokens: 10,
    outputTokens: 5,
    occurredAt: new Date().toISOString(),
    ...more,
  });
const statusOf = async (runId: unknown) =>
  (await rig.ok(200, "GET", `/heartbeat-runs/${String(runId)}`))["status"];

test("a cost is recorded once, counted at once, and stops the agent at its budget", async () => {
  const companyId = await rig.company();
  const agentId = await rig.agent(companyId, { budgetMonthlyCents: 100 });
  expect(await cost(companyId, agentId, 60)).toMatchObject({ agentId, costCents: 60, model: "m" });
  expect(await rig.ok(200, "GET", `/agents/${agentId}`)).toMatchObject({
    status: "idle",
    spentMonthlyCents: 60,
  });
  await cost(companyId, agentId, 40);
  const paused = await rig.until("the agent is paused", async () => {
    const agent = await rig.ok(200, "GET", `/agents/${agentId}`);
    return agent["status"] === "paused" && agent;
  });
  expect(paused).toMatchObject({ spentMonthlyCents: 100, pauseReason: "budget" });
  await rig.ok(409, "POST", `/agents/${agentId}/wakeup`, {});
  expect(await rig.ok(200, "GET", `/companies/${companyId}`)).toMatchObject({
    spentMonthlyCents: 100,
  });
  // With more to spend it can be resumed.
  await rig.ok(200, "PATCH", `/agents/${agentId}/budgets`, { budgetMonthlyCents: 1_000 });
  await rig.ok(200, "POST", `/agents/${agentId}/resume`);
  await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, {});
});

test("an agent reports its own costs alone, of its own company", async () => {
  const companyId = await rig.company();
  const [own, other] = [await rig.agent(companyId), await rig.agent(companyId)];
  const key = await rig.key(own);
  const body = {
    provider: "p",
    model: "m",
    costCents: 1,
    occurredAt: new Date().toISOString(),
  };
  const path = `/companies/${companyId}/cost-events`;
  await rig.ok(201, "POST", path, { ...body, agentId: own }, key);
  await rig.ok(403, "POST", path, { ...body, agentId: other }, key);
  const foreign = await rig.agent(await rig.company());
  await rig.ok(404, "POST", path, { ...body, agentId: foreign });
  await rig.ok(422, "POST", path, {
    ...body,
    agentId: own,
    projectId: "00000000-0000-4000-8000-000000000000",
  });
  await rig.ok(400, "POST", path, { ...body, agentId: own, costCents: -1 });
});

test("sums by agent and project are those of the events in their range", async () => {
  const companyId = await rig.company({ budgetMonthlyCents: 1_000 });
  const [a, b] = [
    await rig.agent(companyId, { name: "A" }),
    await rig.agent(companyId, { name: "B" }),
  ];
  const project = await rig.ok(201, "POST", `/companies/${companyId}/projects`, { name: "P" });
  const issue = await rig.ok(201, "POST", `/companies/${companyId}/issues`, {
    title: "T",
    projectId: project["id"],
  });
  await cost(companyId, a, 30, { projectId: project["id"] });
  await cost(companyId, b, 70, { issueId: issue["id"] });
  await cost(companyId, b, 50, { occurredAt: "2020-01-01T00:00:00Z" });
  const get = (what: string) => rig.ok(200, "GET", `/companies/${companyId}/costs/${what}`);
  expect(await get("summary")).toEqual({
    companyId,
    spendCents: 150,
    budgetCents: 1_000,
    utilizationPercent: 15,
  });
  expect(await get("summary?from=2021-01-01")).toMatchObject({ spendCents: 100 });
  expect(await get("by-agent?from=2021-01-01T00:00:00Z")).toMatchObject([
    { agentId: b, agentName: "B", costCents: 70, inputTokens: 10, apiRunCount: 0 },
    { agentId: a, agentName: "A", costCents: 30, outputTokens: 5 },
  ]);
  expect(await get("by-project")).toMatchObject([{ projectName: "P", costCents: 100 }]);
  await rig.ok(400, "GET", `/companies/${companyId}/costs/summary?from=yesterday`);
  expect(await rig.ok(200, "GET", `/companies/${companyId}/dashboard`)).toMatchObject({
    agents: { active: 2 },
    tasks: { open: 1 },
    costs: { monthSpendCents: 150, monthBudgetCents: 1_000 },
  });
  const stats = await rig.ok(200, "GET", "/companies/stats");
  expect(stats[companyId]).toEqual({ agentCount: 2, issueCount: 1 });
  expect(await rig.ok(200, "GET", `/companies/${companyId}/sidebar-badges`)).toEqual({
    inbox: 0,
    approvals: 0,
    failedRuns: 0,
    joinRequests: 0,
  });
});

describe("a company's gate", () => {
  test("an archived company wakes nobody, and goes on when it is active again [B35]", async () => {
    const companyId = await rig.company();
    const agentId = await rig.agent(companyId, { program: "setTimeout(() => {}, 3_000)" });
    const running = await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, {});
    const queued = await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, {
      payload: { taskKey: "next" },
    });
    await rig.until("it runs", async () => (await statusOf(running["id"])) === "running");
    expect(await rig.ok(200, "POST", `/companies/${companyId}/archive`)).toMatchObject({
      status: "archived",
    });
    await rig.until("the gate is closed", async () => {
      const answer = await rig.call("POST", `/agents/${agentId}/wakeup`, {
        payload: { taskKey: "more" },
      });
      return answer.status === 409;
    });
    await rig.ok(200, "POST", `/heartbeat-runs/${String(running["id"])}/cancel`);
    expect(await statusOf(queued["id"])).toBe("queued");
    expect(
      await rig.ok(200, "PATCH", `/companies/${companyId}`, { status: "active" }),
    ).toMatchObject({ status: "active" });
    await rig.until("the queue goes on", async () => (await statusOf(queued["id"])) !== "queued");
    await rig.ok(200, "POST", `/agents/${agentId}/terminate`);
  });

  test("a company that has spent its budget wakes nobody, and goes on with a higher one", async () => {
    const companyId = await rig.company({ budgetMonthlyCents: 100 });
    const agentId = await rig.agent(companyId, { program: "setTimeout(() => {}, 60_000)" });
    const running = await rig.ok(202, "POST", `/agents/${agentId}/wakeup`, {});
    await rig.until("it runs", async () => (await statusOf(running["id"])) === "running");
    const other = await rig.agent(companyId, { name: "Spender" });
    await cost(companyId, other, 150);
    const refused = await rig.until("the budget is noticed", async () => {
      const answer = await rig.call("POST", `/agents/${other}/wakeup`, {});
      return answer.status === 409 && answer.body;
    });
    expect(refused["details"]).toMatchObject({ reason: "company_budget_exceeded" });
    expect((await rig.ok(200, "GET", `/agents/${other}`))["status"]).not.toBe("paused");
    await rig.ok(200, "PATCH", `/companies/${companyId}/budgets`, { budgetMonthlyCents: 1_000 });
    await rig.until("it can be woken", async () => {
      return (await rig.call("POST", `/agents/${other}/wakeup`, {})).status === 202;
    });
    await rig.ok(200, "POST", `/agents/${agentId}/terminate`);
  });

  test("every field can be changed, spend cannot", async () => {
    const companyId = await rig.company();
    const changes = {
      name: "New",
      description: "d",
      brandColor: "#a1b2c3",
      budgetMonthlyCents: 7,
      requireBoardApprovalForNewAgents: false,
    };
    const changed = await rig.ok(200, "PATCH", `/companies/${companyId}`, {
      ...changes,
      spentMonthlyCents: 99,
    });
    expect(changed).toMatchObject({ ...changes, spentMonthlyCents: 0 });
    expect(
      await rig.ok(200, "PATCH", `/companies/${companyId}/budgets`, { budgetMonthlyCents: 8 }),
    ).toMatchObject({ budgetMonthlyCents: 8 });
    await rig.ok(400, "PATCH", `/companies/${companyId}`, { status: "bogus" });
    const rows = (await rig.ok(200, "GET", `/companies/${companyId}/activity`)) as unknown as Row[];
    expect(rows.map(({ action }) => action)).toEqual([
      "company.budget_updated",
      "company.updated",
      "company.created",
    ]);
  });
});
