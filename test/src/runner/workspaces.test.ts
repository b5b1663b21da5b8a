// Where a run works, from the rows of its issue and project to the folder of its process and what it is told. Real gateway, actor
// host, runner, NATS and Postgres.
import { mkdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAgent, runIsOver, startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";

let system: WholeSystem;
let companyId: string;
let agentId: string;
/** A folder that exists. */
const folder = (name: string): string => {
  const path = join(system.stack.dataDir.root, name);
  mkdirSync(path, { recursive: true });
  return realpathSync(path);
};
const tells = `
const told = Object.entries(process.env).filter(([name]) => /^PAPERCLIP_WORKSPACE|^OVER|^OWN/.test(name));
console.log(JSON.stringify({ cwd: process.cwd(), ...Object.fromEntries(told) }));
`;

beforeAll(async () => {
  system = await startWholeSystem();
  ({ companyId, agentId } = await createAgent(system, tells));
});
afterAll(() => system.stop());

const call = async (method: string, path: string, body?: object): Promise<Row> => {
  const answer = await system.call(method, path, body);
  if (answer.status >= 300)
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body;
};
async function projectWith(
  ...workspaces: object[]
): Promise<{ id: string; workspaceIds: string[] }> {
  const project = await call("POST", `/companies/${companyId}/projects`, { name: "P" });
  const id = String(project["id"]);
  const workspaceIds: string[] = [];
  for (const workspace of workspaces)
    workspaceIds.push(String((await call("POST", `/projects/${id}/workspaces`, workspace))["id"]));
  return { id, workspaceIds };
}
/** Runs the agent for a new issue; answers the run and what its process told. */
async function runFor(issue: object): Promise<{ run: Row; told: Row }> {
  const made = await call("POST", `/companies/${companyId}/issues`, { title: "I", ...issue });
  const payload = { issueId: made["id"] };
  const { id } = await call("POST", `/agents/${agentId}/wakeup`, { payload });
  const run = await runIsOver(system, String(id));
  expect(run).toMatchObject({ status: "succeeded" });
  return { run, told: JSON.parse(String(run["stdoutExcerpt"])) as Row };
}

test("the first folder of the project that exists is where the process works [P1] [P2] [P7]", async () => {
  const here = folder("here");
  const { id, workspaceIds } = await projectWith(
    { name: "gone", cwd: join(system.stack.dataDir.root, "not-there") },
    { name: "here", cwd: here, repoUrl: "https://example.org/repo.git", repoRef: "main" },
  );
  const { run, told } = await runFor({ projectId: id });
  expect(told).toMatchObject({
    cwd: here,
    PAPERCLIP_WORKSPACE_CWD: here,
    PAPERCLIP_WORKSPACE_SOURCE: "project_primary",
    PAPERCLIP_WORKSPACE_ID: workspaceIds[1],
    PAPERCLIP_WORKSPACE_REPO_URL: "https://example.org/repo.git",
    PAPERCLIP_WORKSPACE_REPO_REF: "main",
  });
  const hints = JSON.parse(String(told["PAPERCLIP_WORKSPACES_JSON"])) as Row[];
  expect(hints.map(({ workspaceId }) => workspaceId)).toEqual(workspaceIds);
  // In memory only. [E5]
  expect(run["contextSnapshot"]).not.toHaveProperty("paperclipWorkspace");
});

test("a project without a folder here works in the agent's own, and says so [P3]", async () => {
  const { id, workspaceIds } = await projectWith({ name: "gone", cwd: "/not/there/at/all" });
  const { run, told } = await runFor({ projectId: id });
  expect(told).toMatchObject({
    cwd: expect.stringMatching(new RegExp(`/workspaces/${agentId}$`)) as unknown,
    PAPERCLIP_WORKSPACE_SOURCE: "project_primary",
    PAPERCLIP_WORKSPACE_ID: workspaceIds[0],
  });
  const events = (await call(
    "GET",
    `/heartbeat-runs/${String(run["id"])}/events`,
  )) as unknown as Row[];
  expect(events.map(({ message }) => message)).toContainEqual(
    expect.stringContaining("no folder of the project is on this runner"),
  );
});

test("overrides of the issue count for its assignee alone [E2] [P6]", async () => {
  const { id } = await projectWith({ name: "here", cwd: folder("overridden") });
  const assigneeAdapterOverrides = {
    adapterConfig: { env: { OVER: "ridden" } },
    useProjectWorkspace: false,
  };
  const issue = { projectId: id, status: "backlog", assigneeAdapterOverrides };
  await call("PATCH", `/agents/${agentId}`, {
    adapterConfig: {
      command: process.execPath,
      args: ["-e", tells],
      env: { OWN: "kept" },
    },
  });
  const mine = await runFor({ ...issue, assigneeAgentId: agentId });
  expect(mine.told).toMatchObject({
    OVER: "ridden",
    PAPERCLIP_WORKSPACE_SOURCE: "agent_home",
  });
  expect(mine.told).not.toHaveProperty("OWN");
  expect(mine.told).not.toHaveProperty("PAPERCLIP_WORKSPACES_JSON");
  const nobodys = await runFor(issue);
  expect(nobodys.told).toMatchObject({
    OWN: "kept",
    PAPERCLIP_WORKSPACE_SOURCE: "project_primary",
  });
  expect(nobodys.told).not.toHaveProperty("OVER");
});

test("without issue and project it is the agent's own folder [P5]", async () => {
  const { id } = await call("POST", `/agents/${agentId}/wakeup`, {});
  const run = await runIsOver(system, String(id));
  expect(JSON.parse(String(run["stdoutExcerpt"]))).toMatchObject({
    cwd: expect.stringMatching(new RegExp(`/workspaces/${agentId}$`)) as unknown,
    PAPERCLIP_WORKSPACE_SOURCE: "agent_home",
  });
});
