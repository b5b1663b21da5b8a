// How the gateway refuses: one body that is a problem document and Paperclip's error, whatever was wrong and wherever it was noticed.
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAgent, startGatewayRig } from "./rig.js";
import type { Answer, GatewayProcess, GatewayRig } from "./rig.js";

let rig: GatewayRig;
let gateway: GatewayProcess;
let companyId: string;
let agentId: string;

beforeAll(async () => {
  rig = await startGatewayRig();
  gateway = await rig.gateway();
  ({ companyId, agentId } = await createAgent(gateway));
});
afterAll(() => rig?.stop());

function expectProblem(answer: Answer, status: number): void {
  expect(answer.status).toBe(status);
  const { body } = answer as { body: { detail: string; error: string } };
  expect(body).toMatchObject({ type: "about:blank", title: expect.any(String), status });
  expect(body.detail).toBe(body.error);
  expect(body.detail).not.toBe("");
}

test("a field that is wrong is named, for both kinds of readers", async () => {
  const path = `/api/agents/${agentId}/wakeup`;
  const answer = await gateway.call("POST", path, { payload: { issueId: "abc" } });
  expectProblem(answer, 400);
  expect(answer.headers.get("content-type")).toMatch(/^application\/json/);
  expect(answer.body).toMatchObject({
    title: "Bad Request",
    errors: [{ path: "payload.issueId", message: "must be a UUID" }],
    details: [{ code: "custom", path: ["payload", "issueId"], message: "must be a UUID" }],
  });
});

test("who asks for a problem document by name gets it by name", async () => {
  const headers = { accept: "application/problem+json, application/json;q=0.5" };
  const answer = await gateway.call("GET", "/api/nothing", undefined, { headers });
  expectProblem(answer, 404);
  expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
});

test("another method than those of a path is 405, with those that there are", async () => {
  const answer = await gateway.call("PUT", `/api/agents/${agentId}`, {});
  expectProblem(answer, 405);
  expect(answer.headers.get("allow")).toBe("GET, HEAD, PATCH, DELETE");
  const own = await gateway.call("POST", `/api/companies/${companyId}/wake-requests`, {});
  expect(own.headers.get("allow")).toBe("GET, HEAD");
  expectProblem(await gateway.call("PUT", "/api/nothing", {}), 404);
});

test("a body that is too large, of another type, or no JSON", async () => {
  const path = `/api/agents/${agentId}/wakeup`;
  expectProblem(await gateway.call("POST", path, { reason: "x".repeat(600_000) }), 413);
  const form = { headers: { "content-type": "text/plain" } };
  expectProblem(await gateway.call("POST", path, "reason=x", form), 415);
  for (const bad of ["{", '{"a":1}}', "[]", "null"])
    expectProblem(await gateway.call("POST", path, bad), 400);
});

test("a path that cannot be decoded", async () => {
  expectProblem(await gateway.call("GET", "/api/agents/%zz"), 400);
});

describe("what is not even a request", () => {
  const send = (text: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(gateway.http).port), "127.0.0.1");
      let heard = "";
      socket.setEncoding("utf8").on("data", (part: string) => (heard += part));
      socket.once("close", () => resolve(heard)).once("error", reject);
      socket.write(text);
    });
  const bodyOf = (answer: string): unknown => JSON.parse(answer.slice(answer.indexOf("\r\n\r\n")));

  test("garbage", async () => {
    const answer = await send("nonsense\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(bodyOf(answer)).toMatchObject({ status: 400, error: expect.any(String) });
  });
  test("headers beyond all measure", async () => {
    const answer = await send(
      `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
    expect(bodyOf(answer)).toMatchObject({ status: 431 });
  });
});

describe("routes that only Reveille has", () => {
  test.each<[string, string, unknown, string]>([
    ["GET", "/api/dead-letters?limt=5", undefined, "limt"],
    ["GET", "/api/dead-letters?limit=0", undefined, "limit"],
    ["GET", "/api/dead-letters?limit=1001", undefined, "limit"],
    ["GET", "/api/dead-letters?limit=abc", undefined, "limit"],
    ["GET", "/api/dead-letters?cursor=abc", undefined, "cursor"],
    ["GET", "/api/dead-letters?stage=never", undefined, "stage"],
    ["GET", "/api/dead-letters/abc", undefined, "deadLetterId"],
    ["GET", "/api/partitions?x=1", undefined, "x"],
    ["GET", "/api/wake-requests/abc", undefined, "wakeRequestId"],
    ["POST", "/api/board-tokens", { name: "x", admin: true }, "admin"],
    ["POST", "/api/board-tokens", { name: "x", expiresAt: "tomorrow" }, "expiresAt"],
    ["POST", "/api/board-tokens", {}, "name"],
    ["DELETE", `/api/board-tokens/${randomUUID()}`, { force: true }, "force"],
  ])("%s %s %j is refused by the name of its field", async (method, path, body, field) => {
    const answer = await gateway.call(method, path, body);
    expectProblem(answer, 400);
    const { errors } = answer.body as { errors: { path: string }[] };
    expect(errors.map(({ path: at }) => at)).toContain(field);
  });

  test("Paperclip's take what its clients send", async () => {
    const path = `/api/companies/${companyId}/heartbeat-runs?limit=abc&unknown=1`;
    expect((await gateway.call("GET", path)).status).toBe(200);
    const woken = await gateway.call("POST", `/api/agents/${agentId}/wakeup`, { unknown: 1 });
    expect(woken.status).toBe(202);
  });
});
