// Who may call in either mode: what is a credential, for how long, and for what. A run's token is the run's, while it runs.
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { signRunToken } from "@reveille/shared/credentials/run-token";
import { createAgent, eventually, startGatewayRig } from "./rig.js";
import type { GatewayProcess, GatewayRig, Row } from "./rig.js";
import { createBoardToken, insertRun } from "./tenants.js";

const tokenSecret = "a secret of the tests, of more than 32 characters";
let rig: GatewayRig;
/** Nobody logs in. */
let local: GatewayProcess;
let gateway: GatewayProcess;
let operator: string;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  rig = await startGatewayRig();
  [local, gateway] = await Promise.all([
    rig.gateway({ REVEILLE_RUN_TOKEN_SECRET: tokenSecret }),
    rig.gateway({
      REVEILLE_DEPLOYMENT_MODE: "authenticated",
      REVEILLE_RUN_TOKEN_SECRET: tokenSecret,
    }),
  ]);
  operator = await createBoardToken(rig.database);
  ({ companyId, agentId } = await createAgent(local));
});
afterAll(() => rig?.stop());

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const as = (token: string, method: string, path: string, body?: unknown) =>
  gateway.call(method, path, body, bearer(token));

describe("without a login", () => {
  test("everybody on this machine is the board, and a bad credential is worse than none", async () => {
    expect((await local.call("GET", "/api/companies")).status).toBe(200);
    for (const bad of ["nonsense", "pcp_0000", "rvb_0000", "a.b.c", "x".repeat(5_000)])
      expect((await local.call("GET", "/api/companies", undefined, bearer(bad))).status).toBe(401);
    const basic = { headers: { authorization: "Basic dTpw" } };
    expect((await local.call("GET", "/api/companies", undefined, basic)).status).toBe(401);
  });

  test("the gateway listens on this machine alone", async () => {
    await expect(rig.gateway({ REVEILLE_HTTP_HOST: "0.0.0.0" })).rejects.toThrow(
      /REVEILLE_HTTP_HOST.*loopback/s,
    );
  });
});

describe("with logins", () => {
  test("nobody is anybody without a credential", async () => {
    for (const path of [
      "/api/companies",
      `/api/agents/${agentId}`,
      "/api/openapi.json",
      "/metrics",
    ]) {
      const answer = await gateway.call("GET", path);
      expect(answer).toMatchObject({ status: 401, body: { status: 401, error: "Unauthorized" } });
      expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
    }
    const wake = await gateway.call("POST", `/api/agents/${agentId}/wakeup`, {});
    expect(wake.status).toBe(401);
    for (const path of ["/livez", "/readyz", "/api/health"])
      expect((await gateway.call("GET", path)).status).toBe(200);
  });

  test("it may listen beyond this machine", async () => {
    const open = await rig.gateway({
      REVEILLE_DEPLOYMENT_MODE: "authenticated",
      REVEILLE_HTTP_HOST: "0.0.0.0",
    });
    const http = open.http.replace("0.0.0.0", "127.0.0.1");
    expect((await fetch(`${http}/api/companies`)).status).toBe(401);
  });

  test("a board token opens everything, of one company that company alone", async () => {
    expect((await as(operator, "GET", "/api/companies")).status).toBe(200);
    expect((await as(operator, "GET", "/metrics")).status).toBe(200);
    const made = await as(operator, "POST", "/api/board-tokens", { name: "one", companyId });
    expect(made.status).toBe(201);
    const { token } = made.body as { token: string };
    expect((await as(token, "GET", "/api/companies")).body).toMatchObject([{ id: companyId }]);
    expect((await as(token, "GET", `/api/agents/${agentId}`)).status).toBe(200);
    for (const path of ["/metrics", "/api/partitions", "/api/runners", "/api/pools"])
      expect((await as(token, "GET", path)).status).toBe(403);
    expect((await as(token, "POST", "/api/companies", { name: "Mine" })).status).toBe(403);
    expect((await as(token, "POST", "/api/board-tokens", { name: "more" })).status).toBe(403);
    const own = await as(token, "GET", "/api/board-tokens");
    expect(own.body).toMatchObject([{ name: "one", companyId }]);
    expect(JSON.stringify(own.body)).not.toContain("tokenHash");
  });

  test("a token that was revoked or has expired is none", async () => {
    const make = async (more: object): Promise<{ id: string; token: string }> => {
      const body = { name: "t", ...more };
      return (await as(operator, "POST", "/api/board-tokens", body)).body as Row as never;
    };
    const revoked = await make({});
    expect((await as(operator, "DELETE", `/api/board-tokens/${revoked.id}`)).status).toBe(200);
    expect((await as(revoked.token, "GET", "/api/companies")).status).toBe(401);
    const expired = await make({ expiresAt: new Date(Date.now() + 60_000).toISOString() });
    expect((await as(expired.token, "GET", "/api/companies")).status).toBe(200);
    await rig.database.query(
      "update board_tokens set expires_at = now() - interval '1 s' where id = $1",
      [expired.id],
    );
    expect((await as(expired.token, "GET", "/api/companies")).status).toBe(401);
    const past = { name: "t", expiresAt: "2020-01-01T00:00:00Z" };
    expect((await as(operator, "POST", "/api/board-tokens", past)).status).toBe(400);
  });

  test("when a token was used is kept, to the minute", async () => {
    const { id, token } = (await as(operator, "POST", "/api/board-tokens", { name: "used" }))
      .body as { id: string; token: string };
    await as(token, "GET", "/api/companies");
    const tokens = (await as(operator, "GET", "/api/board-tokens")).body as Row[];
    expect(tokens.find((each) => each["id"] === id)?.["lastUsedAt"]).not.toBeNull();
  });
});

describe("an agent's key", () => {
  let key: { id: string; token: string };
  beforeEach(async () => {
    key = (await as(operator, "POST", `/api/agents/${agentId}/keys`, {})).body as never;
  });

  test("is its agent, in its company, and no board", async () => {
    expect((await as(key.token, "GET", `/api/agents/${agentId}`)).status).toBe(200);
    expect((await as(key.token, "POST", `/api/agents/${agentId}/pause`)).status).toBe(403);
    expect((await as(key.token, "GET", "/api/board-tokens")).status).toBe(403);
    const other = await createAgent(local);
    expect((await as(key.token, "POST", `/api/agents/${other.agentId}/wakeup`, {})).status).toBe(
      404,
    );
  });

  test("ends when it is revoked, and with its agent", async () => {
    await as(operator, "DELETE", `/api/agents/${agentId}/keys/${key.id}`);
    expect((await as(key.token, "GET", "/api/companies")).status).toBe(401);
    const more = await createAgent(local);
    const own = (await as(operator, "POST", `/api/agents/${more.agentId}/keys`, {})).body as Row;
    const status = async (): Promise<number> =>
      (await as(String(own["token"]), "GET", `/api/agents/${more.agentId}`)).status;
    const set = (column: string) =>
      rig.database.query(`update agents set ${column} where id = $1`, [more.agentId]);
    expect(await status()).toBe(200);
    await set("status = 'pending_approval'");
    expect(await status()).toBe(401);
    await set("status = 'paused'");
    expect(await status()).toBe(200);
    await set("deleted_at = now()");
    expect(await status()).toBe(401);
  });
});

describe("a run's token", () => {
  const claimId = randomUUID();
  let runId: string;
  let identity: Parameters<typeof signRunToken>[1];
  beforeEach(async () => {
    runId = await insertRun(rig.database, { companyId, agentId, claimId });
    identity = { agentId, companyId, adapterType: "process", runId, attempt: 1, claimId };
  });
  const tokenOf = (more: Partial<typeof identity> = {}, nowMs = Date.now()): string =>
    signRunToken(tokenSecret, { ...identity, ...more }, nowMs);
  const status = async (token: string): Promise<number> =>
    (await as(token, "GET", `/api/agents/${agentId}`)).status;

  test("is valid while that attempt of its run is running, and dies with it [B31]", async () => {
    const token = tokenOf();
    expect(await status(token)).toBe(200);
    for (const over of ["succeeded", "failed", "cancelled", "timed_out", "queued"]) {
      await rig.database.query("update heartbeat_runs set status = $2 where id = $1", [
        runId,
        over,
      ]);
      expect(await status(token)).toBe(401);
    }
    await rig.database.query(
      "update heartbeat_runs set status = 'running', attempt = 2 where id = $1",
      [runId],
    );
    expect(await status(token)).toBe(401);
    expect(await status(tokenOf({ attempt: 2 }))).toBe(200);
  });

  test("says nothing for another run, agent, company, claim, time or secret [B31]", async () => {
    const other = await createAgent(local);
    for (const wrong of [
      tokenOf({ runId: randomUUID() }),
      tokenOf({ agentId: other.agentId }),
      tokenOf({ companyId: other.companyId }),
      tokenOf({ claimId: randomUUID() }),
      tokenOf({}, Date.now() - 49 * 3_600_000),
      signRunToken("another secret, just as long as the first", identity, Date.now()),
      `${tokenOf()}x`,
      `${Buffer.from('{"alg":"none","typ":"JWT"}').toString("base64url")}.${tokenOf().split(".")[1]}.x`,
    ])
      expect(await status(wrong)).toBe(401);
  });

  test("names its run; what a header says is not believed over it [B31]", async () => {
    const issue = await as(operator, "POST", `/api/companies/${companyId}/issues`, { title: "A" });
    const path = `/api/issues/${String((issue.body as Row)["id"])}/comments`;
    const headers = { ...bearer(tokenOf()).headers, "x-paperclip-run-id": randomUUID() };
    expect((await gateway.call("POST", path, { body: "done" }, { headers })).status).toBe(201);
    const { rows } = await rig.database.query<Row>(
      "select run_id from activity_log where action = 'issue.comment_added' and run_id is not null",
    );
    expect(rows).toContainEqual({ run_id: runId });
  });

  test("tells its agent who it is", async () => {
    const key = (await as(operator, "POST", `/api/agents/${agentId}/keys`, {})).body as Row;
    for (const token of [tokenOf(), String(key["token"])])
      expect(await as(token, "GET", "/api/agents/me")).toMatchObject({
        status: 200,
        body: { id: agentId, companyId, chainOfCommand: [] },
      });
    expect((await as(operator, "GET", "/api/agents/me")).status).toBe(401);
  });

  test("ends with its agent's membership", async () => {
    const token = tokenOf();
    await rig.database.query("update agents set status = 'terminated' where id = $1", [agentId]);
    expect(await status(token)).toBe(401);
    await rig.database.query("update agents set status = 'idle' where id = $1", [agentId]);
    expect(await status(token)).toBe(200);
  });

  test("reports on its own run alone", async () => {
    const report = (token: string, run: string, body: unknown = { summary: "half done" }) =>
      as(token, "POST", `/api/heartbeat-runs/${run}/report`, body);
    // Nobody decides here: the report is in the mailbox, and not kept yet.
    const answered = report(tokenOf(), runId, { summary: "half done", final: true });
    await eventually("the report is in the mailbox", () =>
      rig.actor.heard.some(({ kind, body }) => kind === "run.reported" && body["runId"] === runId),
    );
    await rig.database.query(
      `update heartbeat_runs set finish_requested = true, reported = '{"patch":{"summary":"half done"}}'
       where id = $1`,
      [runId],
    );
    expect(await answered).toMatchObject({ status: 200, body: { status: "committed" } });
    const heard = rig.actor.heard.find(({ body }) => body["runId"] === runId);
    expect(heard?.body).toMatchObject({ attempt: 1, final: true, patch: { summary: "half done" } });

    const neighbour = await insertRun(rig.database, { companyId, agentId, claimId });
    expect((await report(tokenOf(), neighbour)).status).toBe(403);
    const key = (await as(operator, "POST", `/api/agents/${agentId}/keys`, {})).body as Row;
    expect((await report(String(key["token"]), runId)).status).toBe(403);
    expect((await report(operator, runId, { attempt: 7, summary: "x" })).status).toBe(409);
    expect((await report(operator, runId, {})).status).toBe(400);
    const unknown = await report(operator, runId, { summary: "x", exitCode: 0 });
    expect(unknown).toMatchObject({ status: 400, body: { errors: [{ path: "exitCode" }] } });
    await rig.database.query("update heartbeat_runs set status = 'failed' where id = $1", [runId]);
    expect((await report(operator, runId)).status).toBe(409);
  });
});
