// An agent behind a URL in a whole system: 202, then its own report with the run's token, then the end. Nothing is imitated.
import http from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../harness/until.js";
import { startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";

interface Woken {
  runId: string;
  reveille: { apiUrl: string; runId: string; token: string; attempt: number };
}

const woken: Woken[] = [];
const callee = http.createServer((request, answer) => {
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    woken.push(JSON.parse(Buffer.concat(parts).toString()) as Woken);
    answer.writeHead(202).end();
  });
});
let system: WholeSystem;
let companyId = "";
beforeAll(async () => {
  await new Promise<void>((resolve) => callee.listen(0, "127.0.0.1", resolve));
  system = await startWholeSystem();
  companyId = String((await system.call("POST", "/companies", { name: "Callback" })).body["id"]);
});
afterAll(async () => {
  callee.closeAllConnections();
  callee.close();
  await system.stop();
});

/** Wakes an agent of its own; resolves when its endpoint has been called. */
async function wake(more: Row = {}): Promise<Woken> {
  const url = `http://127.0.0.1:${(callee.address() as AddressInfo).port}/`;
  const agent = await system.call("POST", `/companies/${companyId}/agents`, {
    name: `Remote ${woken.length}`,
    adapterType: "http",
    adapterConfig: { url, callback: true, ...more },
  });
  const run = await system.call("POST", `/agents/${String(agent.body["id"])}/wakeup`, {});
  expect(run.status).toBe(202);
  return until("the endpoint is called", () => woken.find(({ runId }) => runId === run.body["id"]));
}
const runOf = async (runId: string): Promise<Row> => {
  const { rows } = await system.database.query<Row>("select * from heartbeat_runs where id = $1", [
    runId,
  ]);
  return rows[0]!;
};
const over = (runId: string): Promise<Row> =>
  until("the run is over", async () => {
    const run = await runOf(runId);
    return run["status"] === "running" || run["status"] === "queued" ? undefined : run;
  });
const report = ({ reveille }: Woken, body: Row): Promise<Response> =>
  fetch(`${reveille.apiUrl}/api/heartbeat-runs/${reveille.runId}/report`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${reveille.token}` },
    body: JSON.stringify(body),
  });

test("a 202 keeps the run until the callee's final word, which is its result; the token ends with it", async () => {
  const one = await wake();
  expect(
    (await report(one, { usage: { inputTokens: 10, outputTokens: 5 }, costUsd: 0.01 })).status,
  ).toBe(200);
  expect((await runOf(one.runId))["status"]).toBe("running");
  const last = await report(one, {
    final: true,
    costUsd: 0.03,
    summary: "sent",
    sessionId: "remote-1",
  });
  expect(last.status).toBeLessThan(300);
  const run = await over(one.runId);
  expect(run).toMatchObject({ status: "succeeded", error: null, session_id_after: "remote-1" });
  expect(run["usage_json"]).toMatchObject({ inputTokens: 10, outputTokens: 5, costUsd: 0.03 });
  const costs = await system.database.query("select * from cost_events where run_id = $1", [
    one.runId,
  ]);
  expect(costs.rows).toHaveLength(1);
  const late = await report(one, { summary: "too late" });
  expect([401, 403, 409]).toContain(late.status);
});

test("a final word that names an error is a failed run", async () => {
  const one = await wake();
  await report(one, { final: true, errorMessage: "the tests are red", errorCode: "red" });
  expect(await over(one.runId)).toMatchObject({
    status: "failed",
    error: "the tests are red",
    error_code: "red",
  });
});

test("who never reports is timed out", async () => {
  const one = await wake({ callbackTimeoutSec: 1 });
  expect(await over(one.runId)).toMatchObject({ status: "timed_out", error_code: "timeout" });
});

test("a cancel ends the waiting", async () => {
  const one = await wake();
  await system.call("POST", `/heartbeat-runs/${one.runId}/cancel`, {});
  expect(await over(one.runId)).toMatchObject({ status: "cancelled", error_code: "cancelled" });
});
