// Owns the scenarios of agents that are an HTTP endpoint, and the endpoint that stands for them.
import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import type { Row } from "../client.js";
import { only } from "../evidence.js";
import type { Scenario } from "../scenario.js";
import { wakeToEnd } from "../waits.js";

interface Received {
  method: string;
  headers: http.IncomingHttpHeaders;
  body: unknown;
}
interface Endpoint {
  readonly url: string;
  readonly received: Received[];
  close(): void;
}

/** Answers 200 with `body`, after `delayMs`. */
async function startEndpoint(body: string, delayMs: number): Promise<Endpoint> {
  const received: Received[] = [];
  const server = http.createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const text = Buffer.concat(parts).toString();
      const { method = "", headers } = request;
      received.push({ method, headers, body: JSON.parse(text || "null") });
      setTimeout(() => response.writeHead(200).end(body), delayMs);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const called = (
  id: string,
  why: string,
  adapterConfig: Row,
  answer: { body?: string; delayMs?: number },
  want: NonNullable<Scenario["want"]>,
  rows: readonly string[] = [],
): Scenario => ({
  id,
  title: `http: ${why}`,
  why,
  rows,
  run: async (scene) => {
    const endpoint = await startEndpoint(answer.body ?? "{}", answer.delayMs ?? 0);
    try {
      // The endpoint is on this machine: an adapter refuses that unless it is told otherwise.
      const config = { url: endpoint.url, allowPrivateAddresses: true, ...adapterConfig };
      const agent = await scene.agent("A", { adapterType: "http", adapterConfig: config });
      await wakeToEnd(scene, agent, { payload: { taskKey: "T" } });
      scene.seen["received"] = endpoint.received;
      scene.seen["agent"] = agent;
    } finally {
      endpoint.close();
    }
  },
  want,
});

export const httpAdapterScenarios: readonly Scenario[] = [
  called(
    "e20-http-ok",
    "200 is success; the body is template, agent, run and context",
    { headers: { "x-a": "1" }, payloadTemplate: { hello: 1 } },
    {},
    ({ seen }, rows) => {
      const run = only(rows.heartbeat_runs, "run");
      assert.equal(run["status"], "succeeded");
      const { method, headers, body } = only(seen["received"] as Received[], "request");
      assert.deepEqual(
        [method, headers["x-a"], headers["content-type"]],
        ["POST", "1", "application/json"],
      );
      const { hello, agentId, runId, context } = body as Row;
      assert.deepEqual([hello, agentId, runId], [1, seen["agent"], run["id"]]);
      assert.equal((context as Row)["taskKey"], "T");
    },
  ),
  called(
    "e22-http-timeout",
    "no answer within timeoutMs: failed",
    { timeoutMs: 300 },
    { delayMs: 3_000 },
    (_, rows) => {
      const run = only(rows.heartbeat_runs, "run");
      assert.deepEqual([run["status"], run["error_code"]], ["timed_out", "timeout"]);
    },
    ["O1", "O2"],
  ),
  called(
    "e23-http-response-ignored",
    "200 with usage and a session in its body",
    {},
    { body: JSON.stringify({ sessionId: "s", usage: { inputTokens: 5 }, costUsd: 1 }) },
    (_, rows) => {
      assert.equal(only(rows.heartbeat_runs, "run")["status"], "succeeded");
    },
  ),
  {
    id: "e25-http-refused",
    rows: ["O6"],
    title: "http: connection refused",
    why: "failed, 'fetch failed'",
    run: async (scene) => {
      const adapterConfig = { url: "http://127.0.0.1:1/x" };
      await wakeToEnd(scene, await scene.agent("A", { adapterType: "http", adapterConfig }));
    },
  },
];
