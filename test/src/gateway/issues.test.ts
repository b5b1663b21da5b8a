// Issues over HTTP with real actors: what wakes whom, checkouts, and what becomes of wakes when their issue is gone.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCompanyRig } from "./company-rig.js";
import type { CompanyRig, Row } from "./company-rig.js";

let rig: CompanyRig;
let companyId: string;
beforeAll(async () => {
  rig = await startCompanyRig();
  companyId = await rig.company();
});
afterAll(() => rig?.stop());

const sleeper = "setTimeout(() => {}, 60_000)";
const issue = async (settings: Row = {}): Promise<string> => {
  const body = { title: "Work", status: "todo", ...settings };
  return String((await rig.ok(201, "POST", `/companies/${companyId}/issues`, body))["id"]);
};
const wakesOf = (agentId: string): Promise<Row[]> =>
  rig.rows(
    "select reason, status, error, payload, run_id from agent_wakeup_requests where agent_id = $1 order by created_at, id",
    [agentId],
  );
const reasons = async (agentId: string) => (await wakesOf(agentId)).map(({ reason }) => reason);
/** Nothing is owed any more: whoever was to be woken was. */
const settled = () =>
  rig.until("every owed wake is decided", async () => {
    const [row] = await rig.rows(
      `select 1 from owed_wakes o where not exists
         (select 1 from wake_verdicts v where v.agent_id = o.agent_id and v.wake_id = o.wake_id)`,
    );
    return row === undefined;
  });

describe("who is woken", () => {
  test("a change that assigns and comments wakes the new assignee once, others by their mention", async () => {
    const [worker, bob] = [
      await rig.agent(companyId, { name: "One" }),
      await rig.agent(companyId, { name: "Bob" }),
    ];
    const id = await issue();
    const changed = await rig.ok(200, "PATCH", `/issues/${id}`, {
      assigneeAgentId: worker,
      comment: "for @One, and @Bob may look",
    });
    expect(changed["comment"]).toMatchObject({ issueId: id, authorUserId: "local-board" });
    await settled();
    // Who gets the issue first is not fixed, and who waits for it has that for a reason: payloads tell.
    const comment = changed["comment"] as Row;
    expect(await wakesOf(worker)).toMatchObject([{ payload: { issueId: id, mutation: "update" } }]);
    expect(await wakesOf(bob)).toMatchObject([{ payload: { commentId: comment["id"] } }]);
  });

  test("an assignee's own comment wakes nobody, a stranger's does", async () => {
    const [worker, other] = [await rig.agent(companyId), await rig.agent(companyId)];
    const id = await issue({ assigneeAgentId: worker });
    await settled();
    const before = await reasons(worker);
    await rig.ok(201, "POST", `/issues/${id}/comments`, { body: "mine" }, await rig.key(worker));
    await settled();
    expect(await reasons(worker)).toEqual(before);
    await rig.ok(201, "POST", `/issues/${id}/comments`, { body: "theirs" }, await rig.key(other));
    await settled();
    expect(await reasons(worker)).toEqual([...before, "issue_commented"]);
  });

  test("a comment on a closed issue wakes its assignee only when it reopens it", async () => {
    const worker = await rig.agent(companyId);
    const id = await issue({ assigneeAgentId: worker });
    await rig.ok(200, "PATCH", `/issues/${id}`, { status: "done" });
    await rig.ok(201, "POST", `/issues/${id}/comments`, { body: "well done" });
    await settled();
    expect(await reasons(worker)).toEqual(["issue_assigned"]);
    await rig.ok(201, "POST", `/issues/${id}/comments`, { body: "not yet", reopen: true });
    await settled();
    expect(await reasons(worker)).toEqual(["issue_assigned", "issue_reopened_via_comment"]);
    expect(await rig.ok(200, "GET", `/issues/${id}`)).toMatchObject({ status: "todo" });
  });

  test("a checkout by the board wakes the agent", async () => {
    const worker = await rig.agent(companyId);
    const id = await issue();
    await rig.ok(200, "POST", `/issues/${id}/checkout`, {
      agentId: worker,
      expectedStatuses: ["todo"],
    });
    await settled();
    expect(await reasons(worker)).toEqual(["issue_checked_out"]);
  });
});

describe("whose issue it is", () => {
  test("a run checks out, another one conflicts, and only that run gives back", async () => {
    const worker = await rig.agent(companyId, { program: sleeper });
    const key = await rig.key(worker);
    const id = await issue();
    const run = await rig.ok(202, "POST", `/agents/${worker}/wakeup`, {});
    const inRun = async (method: string, path: string, body: object, runId?: string) => {
      const response = await fetch(`${rig.system.http}/api${path}`, {
        method,
        headers: {
          "content-type": "application/json",
          authorization: `Bearer ${key}`,
          ...(runId ? { "x-paperclip-run-id": runId } : {}),
        },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: (await response.json()) as Row };
    };
    const runId = String(run["id"]);
    const wanted = { agentId: worker, expectedStatuses: ["todo"] };
    expect((await inRun("POST", `/issues/${id}/checkout`, wanted)).status).toBe(401);
    const taken = await inRun("POST", `/issues/${id}/checkout`, wanted, runId);
    expect(taken.body).toMatchObject({ status: "in_progress", checkoutRunId: runId });
    expect((await inRun("POST", `/issues/${id}/checkout`, wanted, runId)).status).toBe(200);
    expect((await inRun("PATCH", `/issues/${id}`, { title: "x" })).status).toBe(401);
    expect((await inRun("PATCH", `/issues/${id}`, { title: "x" }, runId)).status).toBe(200);
    const other = await rig.agent(companyId);
    const conflict = await rig.ok(409, "POST", `/issues/${id}/checkout`, {
      agentId: other,
      expectedStatuses: ["in_progress"],
    });
    expect(conflict["details"]).toMatchObject({ assigneeAgentId: worker, checkoutRunId: runId });
    expect((await inRun("POST", `/issues/${id}/release`, {}, runId)).body).toMatchObject({
      status: "todo",
      assigneeAgentId: null,
      checkoutRunId: null,
    });
    await rig.ok(200, "POST", `/agents/${worker}/terminate`);
  });

  test("an agent without the permission assigns nothing, and sets no overrides", async () => {
    const [plain, chief] = [
      await rig.agent(companyId),
      await rig.agent(companyId, { name: "Chief", role: "ceo" }),
    ];
    const body = { title: "For you", assigneeAgentId: plain };
    const path = `/companies/${companyId}/issues`;
    await rig.ok(403, "POST", path, body, await rig.key(plain));
    const chiefs = await rig.key(chief);
    await rig.ok(201, "POST", path, body, chiefs);
    const overrides = { assigneeAdapterOverrides: { useProjectWorkspace: false } };
    await rig.ok(403, "POST", path, { title: "x", ...overrides }, chiefs);
    await rig.ok(400, "POST", path, { title: "x", assigneeAdapterOverrides: { bogus: 1 } });
  });
});

test("wakes that wait for a deleted issue end when it is their turn [B15]", async () => {
  const holder = await rig.agent(companyId, { name: "Holder", program: sleeper });
  const waiter = await rig.agent(companyId, { name: "Waiter" });
  const id = await issue({ assigneeAgentId: holder });
  const runId = await rig.until("the issue is held", async () => {
    const [run] = await rig.rows(
      "select id from heartbeat_runs where issue_id = $1 and status = 'running'",
      [id],
    );
    return run && String(run["id"]);
  });
  await rig.ok(202, "POST", `/agents/${waiter}/wakeup`, { payload: { issueId: id } });
  expect((await wakesOf(waiter)).map(({ status }) => status)).toEqual(["deferred_issue_execution"]);
  expect(await rig.ok(200, "DELETE", `/issues/${id}`)).toMatchObject({ id });
  await rig.ok(404, "GET", `/issues/${id}`);
  expect(await rig.ok(200, "POST", `/heartbeat-runs/${runId}/cancel`)).toMatchObject({
    status: "cancelled",
  });
  const wake = await rig.until("the wake is over", async () => {
    const [row] = await wakesOf(waiter);
    return row?.["status"] !== "deferred_issue_execution" && row;
  });
  expect(wake).toMatchObject({ status: "failed", error: "issue_execution_issue_not_found" });
  // Nothing of it stands in the way of the waiter's next work.
  const next = await rig.ok(202, "POST", `/agents/${waiter}/wakeup`, {});
  await rig.until("it works on", async () => {
    const shown = await rig.ok(200, "GET", `/heartbeat-runs/${String(next["id"])}`);
    return shown["status"] === "succeeded";
  });
});

test("lists are filtered by what a client asks for, and ignore what they do not know", async () => {
  const home = await rig.company();
  const make = (settings: object) =>
    rig.ok(201, "POST", `/companies/${home}/issues`, { title: "T", ...settings });
  const project = await rig.ok(201, "POST", `/companies/${home}/projects`, { name: "P" });
  const parent = await make({ title: "Parent", projectId: project["id"] });
  const child = await make({ title: "Child", parentId: parent["id"], status: "todo" });
  await make({ title: "Mine", assigneeUserId: "local-board" });
  const titles = async (query: string) =>
    ((await rig.ok(200, "GET", `/companies/${home}/issues?${query}`)) as unknown as Row[]).map(
      ({ title }) => title,
    );
  expect(await titles("status=todo,done")).toEqual(["Child"]);
  expect(await titles("assigneeUserId=me&touchedByUserId=x")).toEqual(["Mine"]);
  expect(await titles(`projectId=${String(project["id"])}`)).toEqual(["Parent"]);
  expect(await titles("q=chil")).toEqual(["Child"]);
  const shown = await rig.ok(200, "GET", `/issues/${String(child["id"])}`);
  expect(shown["ancestors"]).toMatchObject([{ id: parent["id"] }]);
  await rig.ok(200, "DELETE", `/projects/${String(project["id"])}`);
  expect(await rig.ok(200, "GET", `/issues/${String(parent["id"])}`)).toMatchObject({
    projectId: null,
    project: null,
  });
});
