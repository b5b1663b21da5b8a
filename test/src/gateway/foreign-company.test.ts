// No credential of one company reads or changes anything of another: every route of the description is called with an agent's key, a
// board's token and a run's token of a foreign company, and nothing is found and nothing changes (G9).
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { signRunToken } from "@reveille/shared/credentials/run-token";
import { createAgent, startGatewayRig } from "./rig.js";
import type { Answer, GatewayProcess, GatewayRig, Row } from "./rig.js";
import { sampleOf } from "./sample-value.js";
import { createBoardToken, insertRun } from "./tenants.js";

const tokenSecret = "a secret of the tests, of more than 32 characters";
const secrets = {
  REVEILLE_RUN_TOKEN_SECRET: tokenSecret,
  REVEILLE_SECRETS_MASTER_KEY: "0".repeat(64),
};
let rig: GatewayRig;
let gateway: GatewayProcess;
/** Ids of company A, by the name that paths have for them. */
let own: Record<string, string>;
/** Credentials of company B. */
let foreign: Record<string, string>;
interface Called {
  method: string;
  path: string;
  body: unknown;
}
let calls: Called[];

/** Bodies that a schema alone does not tell. */
const bodies: Record<string, unknown> = {
  "POST /api/projects/{projectId}/workspaces": { name: "w", cwd: "/tmp" },
  "POST /api/companies/{companyId}/approvals": { type: "approve_ceo_strategy", payload: {} },
};

beforeAll(async () => {
  rig = await startGatewayRig();
  const local = await rig.gateway(secrets);
  gateway = await rig.gateway({ ...secrets, REVEILLE_DEPLOYMENT_MODE: "authenticated" });
  own = await furnish(local);
  const { companyId, agentId } = await createAgent(local);
  const key = (await local.call("POST", `/api/agents/${agentId}/keys`, {})).body as Row;
  const claimId = randomUUID();
  const runId = await insertRun(rig.database, { companyId, agentId, claimId });
  const identity = { companyId, agentId, runId, claimId, attempt: 1, adapterType: "process" };
  foreign = {
    "agent key": String(key["token"]),
    "board token": await createBoardToken(rig.database, companyId),
    "run token": signRunToken(tokenSecret, identity, Date.now()),
  };
  calls = await describedCalls(local);
  // The first use of a token is noted; after that nothing of these calls is.
  for (const token of Object.values(foreign)) await as(token, "GET", "/api/companies");
});
afterAll(() => rig?.stop());

const as = (token: string, method: string, path: string, body?: unknown): Promise<Answer> =>
  gateway.call(method, path, body, { headers: { authorization: `Bearer ${token}` } });

/** One of everything in company A. */
async function furnish(local: GatewayProcess): Promise<Record<string, string>> {
  const made = async (path: string, body: unknown): Promise<string> => {
    const answer = await local.call("POST", path, body);
    if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer.body)}`);
    return String((answer.body as Row)["id"]);
  };
  const inserted = async (sql: string, values: unknown[]): Promise<string> =>
    String((await rig.database.query<Row>(`${sql} returning id`, values)).rows[0]!["id"]);
  const { companyId, agentId } = await createAgent(local);
  const company = `/api/companies/${companyId}`;
  const issueId = await made(`${company}/issues`, { title: "Private" });
  const projectId = await made(`${company}/projects`, { name: "Private" });
  const wakeId = "private-wake";
  await rig.database.query(
    "insert into wake_verdicts (agent_id, wake_id, company_id, verdict) values ($1, $2, $3, $4)",
    [agentId, wakeId, companyId, JSON.stringify({ outcome: "skipped", wakeId, reason: "x" })],
  );
  return {
    companyId,
    agentId,
    issueId,
    projectId,
    wakeId,
    type: "process",
    runId: await insertRun(rig.database, { companyId, agentId, issueId }),
    keyId: await made(`/api/agents/${agentId}/keys`, {}),
    workspaceId: await made(`/api/projects/${projectId}/workspaces`, { name: "w", cwd: "/tmp" }),
    secretId: await made(`${company}/secrets`, { name: "PRIVATE", value: "hidden" }),
    tokenId: await made("/api/board-tokens", { name: "private", companyId }),
    approvalId: await inserted(
      "insert into approvals (company_id, type, payload) values ($1, 'approve_ceo_strategy', '{}')",
      [companyId],
    ),
    wakeRequestId: await inserted(
      `insert into agent_wakeup_requests (company_id, agent_id, source, wake_id, partition, generation, stream_seq)
       values ($1, $2, 'on_demand', 'w', 0, 1, 1)`,
      [companyId, agentId],
    ),
    deadLetterId: await inserted(
      `insert into dead_letters (company_id, agent_id, partition, generation, stream_seq, kind, stage, reason, payload_base64)
       values ($1, $2, 0, 1, 1, 'wake', 'commit', 'x', 'e30=')`,
      [companyId, agentId],
    ),
  };
}

/** Every operation with a body that it takes. */
async function describedCalls(local: GatewayProcess): Promise<Called[]> {
  const document = (await local.call("GET", "/api/openapi.json")).body as {
    paths: Record<string, Record<string, Row>>;
  };
  const resolve = (reference: string): Row =>
    reference
      .slice(2)
      .split("/")
      .reduce((at: Row, key) => at[key] as Row, document as unknown as Row);
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, operation]) => !("x-websocket" in operation))
      .map(([verb, operation]) => {
        const method = verb.toUpperCase();
        const content = (operation["requestBody"] as Row | undefined)?.["content"] as
          Row | undefined;
        const schema = (content?.["application/json"] as Row | undefined)?.["schema"] as Row;
        const body =
          bodies[`${method} ${path}`] ?? (content ? sampleOf(schema, resolve) : undefined);
        return { method, path, body };
      }),
  );
}

/** A path with the ids of company A. @throws Error for a name that `furnish` has no object for. */
const concrete = (path: string): string =>
  path.replace(/\{(\w+)\}/g, (_, name: string) => {
    if (!own[name]) throw new Error(`${path}: give furnish() an object for ${name}`);
    return own[name];
  });

/** Everything that is stored, as one value. */
async function stored(): Promise<unknown> {
  const tables = await rig.database.query<{ name: string }>(
    "select table_name as name from information_schema.tables where table_schema = 'public' order by 1",
  );
  const sums: Row = {};
  for (const { name } of tables.rows) {
    const { rows } = await rig.database.query<{ sum: string | null }>(
      `select md5(string_agg(t::text, '|' order by t::text)) as sum from "${name}" t`,
    );
    sums[name] = rows[0]!.sum;
  }
  const { messages } = (await rig.bus.jsm.streams.info("MAILBOX")).state;
  return { ...sums, messages };
}

test.each(["agent key", "board token", "run token"])(
  "no route finds anything for a foreign %s, and nothing changes",
  async (kind) => {
    const token = foreign[kind]!;
    const before = await stored();
    const wrong: unknown[] = [];
    for (const { method, path, body } of calls) {
      // What names no object is looked at below; an adapter's type is no object of a company.
      if (!path.includes("{") || path.startsWith("/api/adapters/")) continue;
      const answer = await as(token, method, concrete(path), body);
      if (![401, 403, 404].includes(answer.status))
        wrong.push({ method, path, status: answer.status, answer: answer.body });
    }
    expect(wrong).toEqual([]);
    expect(await stored()).toEqual(before);
  },
);

test("the same questions by company A's own board are answered", async () => {
  const token = await createBoardToken(rig.database, own["companyId"]);
  const wrong: unknown[] = [];
  for (const { method, path } of calls) {
    if (method !== "GET" || !path.includes("{") || path.endsWith("/log/stream")) continue;
    const answer = await as(token, method, concrete(path));
    // The configuration of an adapter is asked of a runner, and there is none here.
    const expected = path.startsWith("/api/adapters/") ? [200, 404] : [200];
    if (!expected.includes(answer.status)) wrong.push({ path, answer: answer.body });
  }
  expect(wrong).toEqual([]);
});

test.each(["agent key", "board token", "run token"])(
  "no list shows a foreign %s anything of another company",
  async (kind) => {
    const lists = calls.filter(({ method, path }) => method === "GET" && !path.includes("{"));
    expect(lists.length).toBeGreaterThan(5);
    for (const { path } of lists) {
      const text = JSON.stringify((await as(foreign[kind]!, "GET", path)).body);
      for (const [name, id] of Object.entries(own))
        if (id.length === 36)
          expect({ path, name, shown: text.includes(id) }).toMatchObject({ shown: false });
    }
  },
);

test("a foreign company named in a query or a body is not found either", async () => {
  const board = foreign["board token"]!;
  const { companyId, agentId, issueId, projectId } = own as Record<string, string>;
  const mine = String(((await as(board, "GET", "/api/companies")).body as Row[])[0]!["id"]);
  const refused = async (method: string, path: string, body?: unknown): Promise<void> => {
    const { status } = await as(board, method, path, body);
    expect({ path, status }).toMatchObject({ status: expect.toBeOneOf([403, 404, 422]) });
  };
  await refused("GET", `/api/dead-letters?companyId=${companyId}`);
  await refused("GET", `/api/agents/worker?companyId=${companyId}`);
  await refused("POST", "/api/board-tokens", { name: "x", companyId });
  await refused("POST", `/api/companies/${mine}/issues`, { title: "x", assigneeAgentId: agentId });
  await refused("POST", `/api/companies/${mine}/issues`, { title: "x", parentId: issueId });
  await refused("POST", `/api/companies/${mine}/issues`, { title: "x", projectId });
  await refused("POST", `/api/companies/${mine}/agents`, { name: "x", reportsTo: agentId });
  const listed = await as(board, "GET", `/api/companies/${mine}/heartbeat-runs?agentId=${agentId}`);
  expect(listed.body).toEqual([]);
});

test("no socket opens for a foreign credential", async () => {
  const base = gateway.http.replace("http", "ws");
  for (const token of Object.values(foreign))
    for (const path of [
      `/api/companies/${own["companyId"]}/events/ws`,
      `/api/heartbeat-runs/${own["runId"]}/log/ws`,
      `/api/heartbeat-runs/${own["runId"]}/transcript/ws`,
    ]) {
      const socket = new WebSocket(`${base}${path}?token=${token}`);
      const status = await new Promise((resolve) => {
        socket.once("unexpected-response", (_, response) => resolve(response.statusCode));
        socket.once("open", () => resolve(101));
        socket.once("error", () => undefined);
      });
      socket.terminate();
      expect(status).toBeOneOf([403, 404]);
    }
});
