import { expect, test } from "vitest";
import { z } from "zod";
import { createApi } from "../api.js";
import { CliFailure } from "../failure.js";
import { serveMcp } from "./mcp-server.js";
import { defineTool, ownRun } from "./tool.js";

const run = { api: createApi("http://127.0.0.1:1"), runId: "r", agentId: "a", companyId: "c" };
const echo = defineTool({
  name: "echo",
  description: "Says it again.",
  input: z.strictObject({ text: z.string().max(5) }),
  run: async (_, { text }) => {
    if (text === "bad") throw new CliFailure(5, "refused", "do better");
    return { text };
  },
});

/** Everything that is answered to these chunks, in order of ids. */
async function answers(...chunks: (string | Buffer)[]): Promise<Record<string, unknown>[]> {
  const written: string[] = [];
  async function* input() {
    yield* chunks;
  }
  await serveMcp({
    tools: [echo],
    run,
    version: "1",
    input: input(),
    write: (line) => written.push(line),
  });
  return written.map((line) => JSON.parse(line) as Record<string, unknown>);
}
const line = (message: object): string => `${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`;
const call = (text: unknown) =>
  line({ id: 1, method: "tools/call", params: { name: "echo", arguments: { text } } });

test("it agrees on a version, lists its tools with their schemas, and answers pings", async () => {
  const [begun, pong, listed, unknown] = await answers(
    line({ id: 1, method: "initialize", params: { protocolVersion: "2024-11-05" } }) +
      line({ method: "notifications/initialized" }),
    line({ id: "two", method: "ping" }) + line({ id: 3, method: "tools/list" }),
    line({ id: 4, method: "initialize", params: { protocolVersion: "1999-01-01" } }),
  );
  expect(begun).toMatchObject({ id: 1, result: { protocolVersion: "2024-11-05" } });
  expect(pong).toEqual({ jsonrpc: "2.0", id: "two", result: {} });
  expect(listed).toMatchObject({
    id: 3,
    result: { tools: [{ name: "echo", inputSchema: { type: "object", required: ["text"] } }] },
  });
  expect(unknown).toMatchObject({ id: 4, result: { protocolVersion: "2025-06-18" } });
});

test("a tool's answer, its failure and bad input are results; an unknown one is an error", async () => {
  const [good, failed, wrong] = await answers(call("hi"), call("bad"), call("much too long"));
  expect(good).toMatchObject({ result: { isError: false, content: [{ type: "text" }] } });
  expect(failed).toMatchObject({
    result: { isError: true, content: [{ text: "refused\ndo better" }] },
  });
  expect(JSON.stringify(wrong)).toContain("echo.text");
  expect(await answers(line({ id: 1, method: "tools/call", params: { name: "x" } }))).toMatchObject(
    [{ error: { code: -32_602 } }],
  );
});

test("whatever comes, it goes on", async () => {
  const bytes = Buffer.from(
    line({ id: 9, method: "tools/call", params: { name: "echo", arguments: { text: "ü" } } }),
  );
  const cut = bytes.indexOf(0xc3) + 1;
  const answered = await answers(
    "no json\n",
    "[]\n",
    line({ id: null }),
    line({ id: 5, method: "nothing" }),
    `${"x".repeat(600_000)}`,
    `${"x".repeat(600_000)}\n`,
    line({ id: 7, result: {} }),
    "\n \n",
    bytes.subarray(0, cut),
    bytes.subarray(cut),
    '{"jsonrpc":"2.0","id":10,"method":"ping"}',
  );
  expect(answered.filter(({ error }) => error)).toHaveLength(5);
  expect(JSON.stringify(answered)).toContain("ü");
  expect(answered.at(-1)).toEqual({ jsonrpc: "2.0", id: 10, result: {} });
});

test("outside of a run there is none", () => {
  expect(() => ownRun(run.api, { REVEILLE_API_KEY: "k" })).toThrow("REVEILLE_RUN_ID is not set");
});
