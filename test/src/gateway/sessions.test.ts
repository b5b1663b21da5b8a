// Sessions of browsers: begun with a board token, shown by a cookie, of no use to pages of others.
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { createAgent, startGatewayRig } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";
import { createBoardToken } from "./tenants.js";

let rig: GatewayRig;
let local: GatewayProcess;
let gateway: GatewayProcess;
let operator: string;
let companyId: string;
let cookie: string;
let csrf: string;

beforeAll(async () => {
  rig = await startGatewayRig();
  [local, gateway] = await Promise.all([
    rig.gateway(),
    rig.gateway({ REVEILLE_DEPLOYMENT_MODE: "authenticated" }),
  ]);
  operator = await createBoardToken(rig.database);
  ({ companyId } = await createAgent(local));
  const begun = await gateway.call("POST", "/api/session", { token: operator });
  const set = begun.headers.get("set-cookie") ?? "";
  expect(set).toMatch(/; HttpOnly; SameSite=Strict/);
  cookie = set.split(";")[0]!;
  csrf = String((begun.body as Row)["csrfToken"]);
});
afterAll(() => rig?.stop());

const browser = (method: string, path: string, body?: unknown, more: Record<string, string> = {}) =>
  gateway.call(method, path, body, { headers: { cookie, ...more } });
const company = { name: "Made in a browser" };

test("a session reads, and changes what it shows its second token for", async () => {
  expect((await browser("GET", "/api/companies")).status).toBe(200);
  expect((await browser("POST", "/api/companies", company)).status).toBe(403);
  expect((await browser("POST", "/api/companies", company, { "x-csrf-token": "x" })).status).toBe(
    403,
  );
  expect((await browser("POST", "/api/companies", company, { "x-csrf-token": csrf })).status).toBe(
    201,
  );
  const { body } = await browser("GET", "/api/session");
  expect(body).toEqual({ mode: "authenticated", signedIn: true, csrfToken: csrf });
});

test("what is shown on purpose needs no second token, and goes before a cookie", async () => {
  const headers = { authorization: `Bearer ${operator}`, cookie: "reveille_session=rvb_none" };
  expect((await gateway.call("POST", "/api/companies", company, { headers })).status).toBe(201);
});

test("no token, no session: neither a bad one nor an agent's", async () => {
  const { agentId } = await createAgent(local);
  const key = (await local.call("POST", `/api/agents/${agentId}/keys`, { name: "k" })).body as Row;
  expect((await gateway.call("POST", "/api/session", { token: "rvb_none" })).status).toBe(401);
  expect((await gateway.call("POST", "/api/session", { token: key["token"] })).status).toBe(403);
  const { body } = await gateway.call("GET", "/api/session", undefined, {
    headers: { cookie: "reveille_session=rvb_none" },
  });
  expect(body).toEqual({ mode: "authenticated", signedIn: false, csrfToken: null });
});

test("over TLS the cookie stays there; leaving takes it away; a revoked token ends its session", async () => {
  const token = await createBoardToken(rig.database);
  const tls = { headers: { "x-forwarded-proto": "https" } };
  const begun = await gateway.call("POST", "/api/session", { token }, tls);
  expect(begun.headers.get("set-cookie")).toMatch(/; Secure/);
  const own = { cookie: begun.headers.get("set-cookie")!.split(";")[0]! };
  const left = await gateway.call("DELETE", "/api/session", undefined, {
    headers: { ...own, "x-csrf-token": String((begun.body as Row)["csrfToken"]) },
  });
  expect(left.headers.get("set-cookie")).toMatch(/^reveille_session=;.*Max-Age=0/);
  await rig.database.query(
    "update board_tokens set revoked_at = now() where token_hash in (select token_hash from board_tokens order by created_at desc limit 1)",
  );
  expect((await gateway.call("GET", "/api/companies", undefined, { headers: own })).status).toBe(
    401,
  );
});

test("a WebSocket with a session comes from a page of this gateway", async () => {
  const url = `${gateway.http.replace("http", "ws")}/api/companies/${companyId}/events/ws`;
  const opened = (origin?: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { cookie, ...(origin === undefined ? {} : { origin }) };
      const socket = new WebSocket(url, { headers });
      socket.once("open", () => (socket.close(), resolve(101)));
      socket.once("unexpected-response", (_, { statusCode = 0 }) => resolve(statusCode));
      socket.once("error", reject);
    });
  expect(await opened(gateway.http)).toBe(101);
  expect(await opened("https://elsewhere.example")).toBe(403);
  expect(await opened()).toBe(403);
});

test("without logins there are no sessions, and a cookie of another gateway is nothing", async () => {
  const headers = { cookie: "reveille_session=rvb_none" };
  expect((await local.call("GET", "/api/companies", undefined, { headers })).status).toBe(200);
  const { body } = await local.call("GET", "/api/session", undefined, { headers });
  expect(body).toEqual({ mode: "local_trusted", signedIn: true, csrfToken: null });
});
