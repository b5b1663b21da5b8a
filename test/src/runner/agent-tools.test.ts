// What an agent does from inside its run, with the real command and with the protocol's own client against `reveille mcp`: it reads its
// issue, comments, asks another agent, and finishes. Real gateway, actor host, runner, NATS and Postgres.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "../harness/until.js";
import { createAgent, runIsOver, startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";

const bin = fileURLToPath(new URL("../../../cli/bin/reveille.mjs", import.meta.url));
let system: WholeSystem;
let companyId: string;
beforeAll(async () => {
  system = await startWholeSystem();
  companyId = String((await system.call("POST", "/companies", { name: "Tools" })).body["id"]);
});
afterAll(() => system.stop());

/** Calls the command as often as the body says, with its environment alone; prints what `out` holds. */
const program = (body: string): string => `
const { execFileSync } = require("node:child_process");
const my = (...args) => JSON.parse(execFileSync(process.execPath, [${JSON.stringify(bin)}, "--json", "my", ...args]));
const out = {};
${body}
console.log(JSON.stringify(out));
`;
const agent = async (name: string, body: string): Promise<string> =>
  (await createAgent(system, program(body), { companyId, name })).agentId;
async function wake(agentId: string, payload: object = {}): Promise<Row> {
  const { body } = await system.call("POST", `/agents/${agentId}/wakeup`, { payload });
  return runIsOver(system, String(body["id"]), 90_000);
}
const printed = (run: Row): Row => {
  expect(run).toMatchObject({ status: "succeeded" });
  return JSON.parse(String(run["stdoutExcerpt"])) as Row;
};

test("a run reads its issue, comments on it, asks another agent and finishes with its answer", async () => {
  const helper = await agent(
    "Helper",
    'const { asked, issue } = my("task"); my("finish", "It is " + asked.message.length + " long", "--result", JSON.stringify({ issue: issue.title }));',
  );
  const lead = await agent(
    "Lead",
    `out.task = my("task");
out.comment = my("comment", "I begin");
out.comments = my("comments");
out.agents = my("agents").map(({ name, self }) => [name, self]);
my("progress", "asking");
out.answer = my("ask", "helper", "How long?", "--issue", out.task.issue.identifier, "--wait", "60");
my("finish", "Done", "--result", JSON.stringify({ got: out.answer.summary }));`,
  );
  const issue = await system.call("POST", `/companies/${companyId}/issues`, {
    title: "Measure it",
    description: "with care",
  });
  const run = await wake(lead, { issueId: issue.body["id"] });
  expect(printed(run)).toMatchObject({
    task: { issue: { title: "Measure it", description: "with care" }, asked: null },
    comments: [{ body: "I begin", mine: true }],
    agents: expect.arrayContaining([
      ["Lead", true],
      ["Helper", false],
    ]),
    answer: {
      status: "succeeded",
      summary: "It is 9 long",
      result: { issue: "Measure it", summary: "It is 9 long" },
    },
  });
  expect(run["resultJson"]).toMatchObject({ summary: "Done", got: "It is 9 long" });
  const [asked] = (
    await system.database.query<Row>("select * from heartbeat_runs where agent_id = $1", [helper])
  ).rows;
  expect(asked).toMatchObject({
    issue_id: null,
    context_snapshot: { ask: { runId: run["id"], agentName: "Lead", chain: [lead] } },
  });
});

test("an agent that waits for the answer cannot be asked, and its asker is told why", async () => {
  await agent(
    "Boomerang",
    'try { my("ask", "Thrower", "and you?") } catch (error) { my("finish", String(error.stderr)) }',
  );
  const thrower = await agent(
    "Thrower",
    'out.answer = my("ask", "Boomerang", "catch", "--wait", "60");',
  );
  const { answer } = printed(await wake(thrower)) as { answer: Row };
  expect(String(answer["summary"])).toMatch(/Thrower waits for the answer of this run/);
});

test("the command says what is missing outside of a run", async () => {
  const env = { PATH: process.env["PATH"], REVEILLE_API_URL: system.http };
  const ended = spawnSync(process.execPath, [bin, "my", "task"], { env, encoding: "utf8" });
  expect(ended.status).toBe(2);
  expect(ended.stderr).toContain("inside a run");
});

test("the protocol's own client lists the tools and calls them", async () => {
  // The run stays while its token is used from here; its log would show a mask.
  const file = join(system.stack.dataDir.root, "environment.json");
  const { agentId } = await createAgent(
    system,
    `const { renameSync, writeFileSync } = require("node:fs");
    writeFileSync("draft", JSON.stringify(process.env)); renameSync("draft", ${JSON.stringify(file)});
    setTimeout(() => {}, 90_000)`,
    { companyId, name: "Model" },
  );
  const issue = await system.call("POST", `/companies/${companyId}/issues`, { title: "By tools" });
  const { body } = await system.call("POST", `/agents/${agentId}/wakeup`, {
    payload: { issueId: issue.body["id"] },
  });
  const runId = String(body["id"]);
  await until("the run has begun", async () => (existsSync(file) ? true : undefined));
  const env = JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [bin, "mcp"],
    env,
  });
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport);
  try {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      "get_task",
      "list_comments",
      "comment",
      "list_agents",
      "ask_agent",
      "get_answer",
      "report_progress",
      "finish",
    ]);
    const call = async (name: string, args: Row = {}) => {
      const answer = await client.callTool({ name, arguments: args });
      const [content] = answer.content as { text: string }[];
      return { isError: answer.isError, text: content!.text };
    };
    expect(JSON.parse((await call("get_task")).text)).toMatchObject({
      issue: { title: "By tools" },
    });
    expect(await call("comment", { body: "from a model" })).toMatchObject({ isError: false });
    expect((await call("list_comments")).text).toContain("from a model");
    expect(await call("comment", {})).toMatchObject({
      isError: true,
      text: expect.stringContaining("comment.body"),
    });
    expect(await call("ask_agent", { agent: "Model", message: "me?" })).toMatchObject({
      isError: true,
      text: expect.stringContaining("cannot ask itself"),
    });
    await expect(client.callTool({ name: "nothing", arguments: {} })).rejects.toThrow("no tool");
    expect(JSON.parse((await call("report_progress", { message: "half" })).text)).toEqual({
      status: "committed",
    });
  } finally {
    await client.close();
    await system.call("POST", `/heartbeat-runs/${runId}/cancel`, {});
  }
});
