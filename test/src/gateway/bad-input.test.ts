// What clients get wrong over HTTP: each answer has a status, names the field, shows nothing of our inside, and leaves nothing behind.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAgent, startGatewayRig } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";

let rig: GatewayRig;
let gateway: GatewayProcess;
let companyId: string;
let agentId: string;
const nobody = randomUUID();

beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway();
  ({ companyId, agentId } = await createAgent(gateway));
});
afterAll(() => rig?.stop());

/** Rows of every table that these requests could write, and messages in mailboxes. */
async function left(): Promise<unknown> {
  const { rows } = await rig.database.query(
    `select (select count(*)::int from companies) as companies, (select count(*)::int from agents) as agents,
      (select count(*)::int from projects) as projects, (select count(*)::int from issues) as issues,
      (select count(*)::int from issue_comments) as comments, (select count(*)::int from owed_wakes) as owed,
      (select count(*)::int from wake_verdicts) as verdicts, (select count(*)::int from activity_log) as activity`,
  );
  const { messages } = (await rig.bus.jsm.streams.info("MAILBOX")).state;
  return { ...rows[0], messages };
}

/** Sends and expects a refusal that names `field` and changed nothing. */
async function refused(
  call: [method: string, path: string, body?: unknown, init?: { headers?: Record<string, string> }],
  status: number,
  field?: string | RegExp,
): Promise<void> {
  const before = await left();
  const answer = await gateway.call(...call);
  const shown = JSON.stringify(answer.body);
  expect({ status: answer.status, shown }).toMatchObject({ status });
  expect(answer.body).toHaveProperty("error");
  if (typeof field === "string") {
    const { details } = answer.body as { details?: { path: string[] }[] };
    expect(details?.map(({ path }) => path.join("."))).toContain(field);
  } else if (field) expect(shown).toMatch(field);
  expect(shown).not.toMatch(/\bat .*:\d+:\d+|node_modules|select |insert /i);
  expect(await left()).toEqual(before);
}

const wakeup = (): string => `/api/agents/${agentId}/wakeup`;

describe("a wake", () => {
  test.each<[string, unknown, string | RegExp]>([
    ["an unknown source", { source: "bogus" }, "source"],
    ["an unknown trigger", { triggerDetail: "x" }, "triggerDetail"],
    ["a list for a payload", { payload: [] }, "payload"],
    ["a number for a reason", { reason: 5 }, "reason"],
    ["a long reason", { reason: "x".repeat(201) }, "reason"],
    ["an empty idempotency key", { idempotencyKey: "" }, "idempotencyKey"],
    ["an issue that is no UUID", { payload: { issueId: "abc" } }, "payload.issueId"],
    ["an issue of another type", { payload: { issueId: 7 } }, "payload.issueId"],
    ["half a JSON text", "{bad", /not JSON/],
    ["a list", "[1]", /not JSON/],
    ["a text", '"x"', /not JSON/],
    ["garbage bytes", Uint8Array.from([0xff, 0xfe, 0x00, 0xc1]), /not JSON/],
    ["invalid UTF-8 in JSON", Uint8Array.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), /not JSON/],
    ["msgpack", Uint8Array.from([0x80]), /msgpack/],
    ["JSON of great depth", `{"payload":${'{"a":'.repeat(200)}1${"}".repeat(201)}`, /nested/],
  ])("with %s is refused", async (_, body, field) => {
    await refused(["POST", wakeup(), body], 400, field);
  });

  test("of 2 MB is refused", async () => {
    const body = JSON.stringify({ payload: { text: "x".repeat(2_000_000) } });
    await refused(["POST", wakeup(), body], 413, /512 KiB/);
  });

  test("as a form is refused", async () => {
    const init = { headers: { "content-type": "application/x-www-form-urlencoded" } };
    await refused(["POST", wakeup(), "source=timer", init], 415);
  });

  test("of an unknown agent is 404", () =>
    refused(["POST", `/api/agents/${nobody}/wakeup`, {}], 404, /Agent not found/));
  test("by short name needs the company", () =>
    refused(["POST", "/api/agents/bob/wakeup", {}], 422, /companyId/));
  test("by an unknown short name is 404", () =>
    refused(["POST", `/api/agents/bob/wakeup?companyId=${companyId}`, {}], 404));
});

describe("an id in a path", () => {
  const hostile = [
    "a.b",
    "*",
    ">",
    "a b",
    "%00",
    "..",
    "%2e%2e%2f",
    "$JS.API",
    "ä",
    "x".repeat(250),
  ];
  test.each(hostile)("%j is no agent", async (id) => {
    const path = `/api/agents/${id === ".." ? "%2e%2e." : encodeURI(id).replaceAll("%25", "%")}/wakeup`;
    await refused(["POST", path, {}], 400, "agentId");
  });
  test.each(["a.b", "*", ">", "zzz", "%00"])("%j is no run", async (id) => {
    for (const rest of ["", "/events", "/log"])
      await refused(["GET", `/api/heartbeat-runs/${id}${rest}`], 400, "runId");
    await refused(["POST", `/api/heartbeat-runs/${id}/cancel`], 400, "runId");
  });
  test.each(["a.b", "*", ">", "zzz"])("%j is no company", async (id) => {
    for (const rest of ["", "/agents", "/issues", "/heartbeat-runs", "/live-runs", "/activity"])
      await refused(["GET", `/api/companies/${id}${rest}`], 400, "companyId");
  });
  test.each(["a.b", "*", ">", "zzz", "-1"])("%j is no issue", async (id) => {
    await refused(["GET", `/api/issues/${id}`], 400, "issueId");
    await refused(["PATCH", `/api/issues/${id}`, { title: "x" }], 400, "issueId");
    await refused(["POST", `/api/issues/${id}/comments`, { body: "x" }], 400, "issueId");
  });
  test("that nobody has is 404", async () => {
    for (const path of [
      `/api/companies/${nobody}`,
      `/api/companies/${nobody}/agents`,
      `/api/agents/${nobody}`,
      `/api/agents/${nobody}/runtime-state`,
      `/api/heartbeat-runs/${nobody}`,
      `/api/heartbeat-runs/${nobody}/events`,
      `/api/heartbeat-runs/${nobody}/log`,
      `/api/issues/${nobody}`,
      "/api/issues/ABC-12345",
      `/api/projects/${nobody}`,
      `/api/wakes/${agentId}/never`,
      "/api/nothing",
    ])
      await refused(["GET", path], 404);
    for (const verb of ["pause", "resume", "terminate", "heartbeat/invoke"])
      await refused(["POST", `/api/agents/${nobody}/${verb}`], 404, /Agent not found/);
    await refused(["POST", `/api/heartbeat-runs/${nobody}/cancel`], 404);
  });
  test("in a query is checked too", async () => {
    const runs = `/api/companies/${companyId}/heartbeat-runs`;
    await refused(["GET", `${runs}?agentId=notuuid`], 400, "agentId");
    await refused(["GET", `/api/companies/${companyId}/activity?entityId=%00`], 400, /NUL/);
    await refused(["GET", "/api/agents/%zz"], 400, /url/);
  });
});

describe("what is created", () => {
  test.each<[string, string, unknown, string]>([
    ["company", "", { name: "" }, "name"],
    ["company", "", { name: 7 }, "name"],
    ["company", "", { name: "A", budgetMonthlyCents: 1e12 }, "budgetMonthlyCents"],
    ["agent", "/agents", { name: "A", adapterType: "bogus" }, "adapterType"],
    ["agent", "/agents", { name: "A", adapterConfig: "x" }, "adapterConfig"],
    ["agent", "/agents", { name: "A", reportsTo: "x.y" }, "reportsTo"],
    ["agent", "/agents", {}, "name"],
    ["issue", "/issues", { title: "" }, "title"],
    ["issue", "/issues", { title: "A", status: "never" }, "status"],
    ["issue", "/issues", { title: "A", assigneeAgentId: "*" }, "assigneeAgentId"],
    ["project", "/projects", { name: "P", workspace: { cwd: "relative" } }, "workspace.cwd"],
    ["project", "/projects", { name: "P", workspace: {} }, "workspace.cwd"],
  ])("%s with %s%j is refused", async (_kind, rest, body, field) => {
    const path = rest === "" ? "/api/companies" : `/api/companies/${companyId}${rest}`;
    await refused(["POST", path, body], 400, field);
  });
  test("an issue for an unknown agent or of an unknown project is refused", async () => {
    const path = `/api/companies/${companyId}/issues`;
    await refused(["POST", path, { title: "A", assigneeAgentId: nobody }], 404, /Assignee/);
    await refused(["POST", path, { title: "A", projectId: nobody }], 422, /projectId/);
    await refused(["POST", path, { title: "A", parentId: nobody }], 422, /parentId/);
    await refused(["POST", path, { title: "A", status: "in_progress" }], 422, /assignee/);
  });
  test("the known adapter types are named", async () => {
    const path = `/api/companies/${companyId}/agents`;
    const { body } = await gateway.call("POST", path, { name: "A", adapterType: "bogus" });
    expect((body as { details: Row[] }).details[0]).toMatchObject({
      options: expect.arrayContaining(["process", "noop", "http"]),
    });
  });
});

test("NUL in a text is dropped, as nothing else can store it", async () => {
  const path = `/api/companies/${companyId}/issues`;
  const { status, body } = await gateway.call("POST", path, { title: "a\0b" });
  expect(status).toBe(201);
  expect((body as Row)["title"]).toBe("ab");
});

test("a page of another site, and a name that is not this machine's, are refused", async () => {
  const foreign = { headers: { origin: "https://example.org" } };
  await refused(["POST", `/api/agents/${agentId}/pause`, undefined, foreign], 403);
});

test("a path with its question mark encoded is understood, as Paperclip's CLI sends it", async () => {
  const { status } = await gateway.call("GET", `/api/heartbeat-runs/${nobody}/events%3FafterSeq=0`);
  expect(status).toBe(404);
});
