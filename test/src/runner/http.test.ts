// Agents behind a URL: what is sent, what answers mean, limits, cancel, the report after a 202, and where a request must not go.
import { mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openBucket } from "@reveille/shared/nats/bucket";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Execution } from "@reveille/shared/protocol/execution";
import { eventually, followLog, startRig, subjects } from "./rig.js";
import type { Rig } from "./rig.js";

interface Call {
  method: string;
  url: string;
  headers: http.IncomingHttpHeaders;
  body: Record<string, unknown>;
  answer: http.ServerResponse;
  closed: boolean;
}

const scratch = mkdtempSync(join(tmpdir(), "reveille-http-"));
const calls: Call[] = [];
let respond: (call: Call) => void;
const callee = http.createServer((request, answer) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const { method = "", url = "", headers } = request;
    const body = JSON.parse(Buffer.concat(parts).toString()) as Call["body"];
    const call: Call = { method, url, headers, body, answer, closed: false };
    answer.on("close", () => (call.closed = true));
    calls.push(call);
    respond(call);
  });
});
let base = "";
let rig: Rig;
beforeAll(async () => {
  await new Promise<void>((resolve) => callee.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(callee.address() as AddressInfo).port}`;
  rig = await startRig(scratch);
  await rig.runner({ REVEILLE_RUNNER_HTTP_ALLOW_PRIVATE: "true" });
  await rig.runner({ REVEILLE_RUNNER_POOL: "strict" });
});
afterAll(async () => {
  await rig.stop();
  callee.closeAllConnections();
  callee.close();
  rmSync(scratch, { recursive: true, force: true });
});

/** Starts a run; `status` and `body` are what the callee answers, null: nothing. */
async function run(
  adapterConfig: Record<string, unknown>,
  status: number | null = 200,
  body = "{}",
  headers: http.OutgoingHttpHeaders = {},
): Promise<Execution> {
  respond = ({ answer }) => {
    if (status !== null) answer.writeHead(status, headers).end(body);
  };
  const config = { url: `${base}/hook`, ...adapterConfig };
  return rig.enqueue(config, { adapterType: "http", context: { taskKey: "T" } });
}
const finished = ({ runId }: Execution) => rig.actor.until("finished", runId);
const callOf = ({ runId }: Execution) =>
  eventually("the callee is called", () => calls.find(({ body }) => body["runId"] === runId));
const claimOf = async ({ runId }: Execution) => (await rig.actor.until("started", runId)).claimId;

test("the template, agent, run and context are sent; 2xx is success, and the answer is the log", async () => {
  const done = await run(
    { headers: { "X-A": "1" }, payloadTemplate: { hello: 1, runId: "forged" }, method: "put" },
    201,
    "thanks",
  );
  const { result, containment, stdoutExcerpt, log } = await finished(done);
  expect(result).toEqual({ exitCode: 0, signal: null, timedOut: false });
  expect(containment).toBe("in_process");
  expect(stdoutExcerpt).toBe("thanks");
  expect(log.bytes).toBe(6);
  const call = await callOf(done);
  expect(call.method).toBe("PUT");
  expect(call.headers).toMatchObject({ "content-type": "application/json", "x-a": "1" });
  expect(call.body).toEqual({
    hello: 1,
    agentId: done.agentId,
    runId: done.runId,
    context: expect.objectContaining({ taskKey: "T" }),
  });
});

test("the invocation shows neither credentials nor headers nor telling parameters", async () => {
  const url = base.replace("//", "//bob:pa55w0rd@") + "/hook?api_key=k3y-value&page=2";
  const done = await run({ url, headers: { "X-Auth": "h3ader-value" } });
  const { events } = await finished(done);
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    eventType: "adapter.invoke",
    payload: { adapterType: "http", headers: { "X-Auth": "***REDACTED***" } },
  });
  const shown = JSON.stringify(events);
  expect(shown).toContain("page=2");
  for (const secret of ["pa55w0rd", "k3y-value", "h3ader-value"])
    expect(shown).not.toContain(secret);
  const call = await callOf(done);
  expect(call.headers.authorization).toBe(
    `Basic ${Buffer.from("bob:pa55w0rd").toString("base64")}`,
  );
});

test('an answer {"result": ...} tells usage, session and summary; what is wrong in it is named', async () => {
  const said = {
    usage: { inputTokens: 5 },
    costUsd: 0.5,
    sessionId: "s1",
    summary: "did",
    exitCode: 9,
  };
  const { result, events } = await finished(await run({}, 200, JSON.stringify({ result: said })));
  expect(result).toMatchObject({
    exitCode: 0,
    usage: { inputTokens: 5, outputTokens: 0, cachedInputTokens: 0 },
    costUsd: 0.5,
    sessionId: "s1",
    summary: "did",
  });
  expect(events.find(({ level }) => level === "warn")?.message).toContain("exitCode is not known");
});

test("usage beside no result is an answer like any other", async () => {
  const { result } = await finished(
    await run({}, 200, '{"usage":{"inputTokens":5},"sessionId":"s"}'),
  );
  expect(result).toEqual({ exitCode: 0, signal: null, timedOut: false });
});

test("a long answer is cut, and said to be", async () => {
  const { result, log, events } = await finished(await run({}, 200, "x".repeat(300_000)));
  expect(result).toMatchObject({ exitCode: 0 });
  expect(log.bytes).toBe(65_536);
  expect(events.find(({ level }) => level === "warn")?.message).toContain("longer than 65536");
});

test.each([
  [500, {}, /^HTTP invoke failed with status 500$/, true],
  [404, {}, /^HTTP invoke failed with status 404$/, undefined],
  [
    302,
    { location: "http://169.254.169.254/" },
    /status 302 \(redirects are not followed\)$/,
    undefined,
  ],
])("status %i is a failure", async (status, headers, message, transient) => {
  const { result } = await finished(await run({}, status, "no", headers));
  expect(result).toMatchObject({ exitCode: null, timedOut: false, errorCode: "adapter_failed" });
  expect(result.errorMessage).toMatch(message);
  expect(result.transient).toBe(transient);
});

test("a callee that asks to wait is believed for a day at most", async () => {
  const { result } = await finished(await run({}, 429, "", { "retry-after": "60" }));
  expect(result.transient).toBe(true);
  expect(new Date(result.retryNotBefore!).getTime() - Date.now()).toBeGreaterThan(30_000);
  const never = await finished(await run({}, 503, "", { "retry-after": "9999999" }));
  expect(never.result).toMatchObject({ transient: true });
  expect(never.result.retryNotBefore).toBeUndefined();
});

test("no answer in time is timed out, and the request is given up", async () => {
  const late = await run({ timeoutMs: 300 }, null);
  const { result } = await finished(late);
  expect(result).toMatchObject({
    timedOut: true,
    errorCode: "timeout",
    errorMessage: "Timed out after 0.3s",
  });
  const call = await callOf(late);
  await eventually("the connection is closed", () => call.closed);
});

test("a cancel aborts the request", async () => {
  const slow = await run({}, null);
  const call = await callOf(slow);
  rig.actor.cancel(slow, await claimOf(slow));
  const { result } = await finished(slow);
  expect(result).toMatchObject({ exitCode: null, timedOut: false });
  await eventually("the connection is closed", () => call.closed);
});

test("nobody there: nothing was started, nothing was invoked", async () => {
  const { result, events } = await finished(await run({ url: "http://127.0.0.1:1/x" }));
  expect(result).toMatchObject({
    exitCode: null,
    errorMessage: "fetch failed",
    errorCode: "adapter_failed",
    threw: true,
    transient: true,
  });
  expect(events).toEqual([]);
});

test.each([
  [{ url: "" }, /^HTTP adapter missing url$/],
  [{ url: "ftp://x/" }, /adapterConfig\.url must be/],
  [{ method: "GET" }, /adapterConfig\.method must be/],
  [{ headers: { Host: "x" } }, /adapterConfig\.headers must not hold host/],
  [{ headers: { "a b": "x" } }, /adapterConfig\.headers/],
  [{ headers: { a: 1 } }, /adapterConfig\.headers\.a must be text/],
  [{ payloadTemplate: [] }, /adapterConfig\.payloadTemplate must be/],
  [{ timeoutMs: "soon" }, /adapterConfig\.timeoutMs must be/],
  [{ callback: true }, /adapterConfig\.callback needs a token/],
])("a configuration that cannot work names its field: %j", async (config, message) => {
  const { result } = await finished(await run(config));
  expect(result).toMatchObject({ exitCode: null, threw: true });
  expect(result.errorMessage).toMatch(message);
});

test.each([
  "http://127.0.0.1:9/",
  "http://localhost:9/",
  "http://[::1]:9/",
  "http://[::ffff:127.0.0.1]:9/",
  "http://2130706433:9/",
  "http://0x7f.1:9/",
  "http://169.254.169.254/latest/meta-data",
  "http://10.0.0.1/",
])("a runner that does not allow it sends nothing to %s", async (url) => {
  const own = { adapterType: "http" };
  const refused = await rig.enqueue({ url, allowPrivateAddresses: true }, own, "strict");
  const { result } = await finished(refused);
  expect(result).toMatchObject({ errorCode: "url_refused", threw: true });
  expect(result.errorMessage).toContain("adapterConfig.url is not allowed");
});

test("metadata services are refused even where private addresses are allowed", async () => {
  const { result } = await finished(await run({ url: "http://169.254.169.254/" }));
  expect(result).toMatchObject({ errorCode: "url_refused" });
});

test("a run without a process is alive as long as its runner's lease says so [B3]", async () => {
  rig.actor.token = "t0ken-of-the-run";
  const open = await run({ callback: true }, 202);
  const claimId = await claimOf(open);
  await rig.actor.until("progress", open.runId);
  const bucket = await openBucket(rig.bus, topologyNames(subjects.prefix).runnerLeases);
  await eventually("the lease names the run", async () => {
    const entries = await Promise.all((await bucket.keys()).map((key) => bucket.get(key)));
    return entries.some((entry) => entry && Buffer.from(entry.value).toString().includes(claimId));
  });
  rig.actor.finish(open, claimId);
  expect((await finished(open)).result).toMatchObject({ exitCode: 0 });
});

test("after a 202 the run goes on until the final word, and the token is in no event and no log", async () => {
  rig.actor.token = "t0ken-of-the-run";
  const open = await run({ callback: true }, 202, "later");
  const log = followLog(rig.bus, open);
  const call = await callOf(open);
  expect(call.body["reveille"]).toEqual({
    apiUrl: "http://127.0.0.1:3100",
    runId: open.runId,
    attempt: 1,
    token: "t0ken-of-the-run",
  });
  await rig.actor.until("progress", open.runId);
  expect(
    rig.actor.heard.some((one) => one.kind === "finished" && one.report.runId === open.runId),
  ).toBe(false);
  rig.actor.finish(open, await claimOf(open));
  const report = await finished(open);
  expect(report.result).toMatchObject({ exitCode: 0, timedOut: false });
  await eventually("the end of the log", () => log.end);
  const told = rig.actor.heard.filter((one) => one.report.runId === open.runId);
  expect(JSON.stringify(told) + log.bytes().toString()).not.toContain("t0ken");
});

test("a final word that comes before the 202 counts", async () => {
  const early = await run({ callback: true }, null);
  const call = await callOf(early);
  rig.actor.finish(early, await claimOf(early));
  call.answer.writeHead(202).end();
  expect((await finished(early)).result).toMatchObject({ exitCode: 0 });
});

test("who never reports is timed out after its own limit; who cancels is obeyed", async () => {
  const silent = await run({ callback: true, callbackTimeoutSec: 0.4 }, 202);
  expect((await finished(silent)).result).toMatchObject({
    timedOut: true,
    errorMessage: "Timed out after 0.4s",
  });
  const cancelled = await run({ callback: true }, 202);
  await rig.actor.until("progress", cancelled.runId);
  rig.actor.cancel(cancelled, await claimOf(cancelled));
  expect((await finished(cancelled)).result).toMatchObject({ exitCode: null, timedOut: false });
});

test("without `callback` a 202 is success at once, and no token is sent", async () => {
  const done = await run({}, 202);
  expect((await finished(done)).result).toMatchObject({ exitCode: 0 });
  expect((await callOf(done)).body).not.toHaveProperty("reveille");
  rig.actor.token = null;
});
