// `reveille agents test`: what would keep an agent from working is found before a run is, and each finding says how to mend it. Real
// gateway, actor host, runner, NATS and Postgres, and a repository on this disk.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAgent, runIsOver, startWholeSystem } from "../harness/whole-system.js";
import type { Row, WholeSystem } from "../harness/whole-system.js";

const bin = fileURLToPath(new URL("../../../cli/bin/reveille.mjs", import.meta.url));
let system: WholeSystem;
let companyId: string;
let origin: string;
beforeAll(async () => {
  system = await startWholeSystem({
    env: { runner: { REVEILLE_RUNNER_REPOSITORIES_ALLOW_FILE: "true" } },
  });
  companyId = String((await system.call("POST", "/companies", { name: "Tried" })).body["id"]);
  const root = system.stack.dataDir.root;
  origin = join(root, "origin.git");
  const work = join(root, "work");
  mkdirSync(work);
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@t", ...args], { cwd: work });
  git("init", "-q", "-b", "main");
  git("commit", "-q", "--allow-empty", "-m", "begin");
  git("clone", "-q", "--bare", work, origin);
});
afterAll(() => system.stop());

interface Tested {
  code: number;
  status: string;
  checks: Row[];
  codes: unknown[];
}
const tested = (...args: string[]): Promise<Tested> =>
  new Promise((resolve, reject) => {
    const env = { ...process.env, REVEILLE_DATA_DIR: system.stack.dataDir.root };
    const all = [bin, "--json", "--company", companyId, "agents", "test", ...args];
    execFile(process.execPath, all, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      if (stdout === "") return reject(new Error(stderr));
      const answer = JSON.parse(stdout) as Omit<Tested, "code" | "codes">;
      const code = typeof error?.code === "number" ? error.code : 0;
      resolve({ ...answer, code, codes: answer.checks.map((check) => check["code"]) });
    });
  });
async function projectWith(workspace: object): Promise<string> {
  const project = await system.call("POST", `/companies/${companyId}/projects`, { name: "P" });
  const made = await system.call(
    "POST",
    `/projects/${String(project.body["id"])}/workspaces`,
    workspace,
  );
  expect(made.status).toBe(201);
  return String(project.body["id"]);
}

test("an agent that would work passes, its issue's repository is asked, and one run says hello", async () => {
  const { agentId } = await createAgent(system, "", { companyId, name: "Ready" });
  const projectId = await projectWith({ repoUrl: `file://${origin}`, repoRef: "main" });
  const issue = { title: "I", projectId, assigneeAgentId: agentId, status: "backlog" };
  await system.call("POST", `/companies/${companyId}/issues`, issue);
  const answer = await tested("Ready", "--hello");
  expect(answer).toMatchObject({ code: 0, status: "pass" });
  expect(answer.codes).toEqual([
    "process_cwd_default",
    "process_command_resolvable",
    "workspace_repository_readable",
    "hello_succeeded",
  ]);
});

test("what would fail is found, with how to mend it, and no run is tried", async () => {
  const made = await system.call("POST", `/companies/${companyId}/agents`, {
    name: "Broken",
    adapterConfig: { command: "no-such-program" },
  });
  const projectId = await projectWith({ repoUrl: `file://${origin}`, repoRef: "nowhere" });
  const answer = await tested("Broken", "--project", projectId, "--hello");
  expect(answer).toMatchObject({ code: 1, status: "fail" });
  expect(answer.codes).toEqual([
    "process_cwd_default",
    "process_command_unresolvable",
    "workspace_ref_missing",
    "workspace_agent_home",
    "hello_not_tried",
  ]);
  for (const check of answer.checks)
    if (check["level"] !== "info") expect(check["hint"]).toEqual(expect.any(String));
  const runs = await system.call(
    "GET",
    `/companies/${companyId}/heartbeat-runs?agentId=${String(made.body["id"])}`,
  );
  expect(runs.body).toEqual([]);
});

test("a hello that fails is told with its run, a repository that is not there with its reason", async () => {
  await createAgent(system, "process.exit(3)", { companyId, name: "Failing" });
  const failing = await tested("Failing", "--hello");
  expect(failing).toMatchObject({ code: 1, status: "fail" });
  expect(failing.codes).toContain("hello_failed");
  const projectId = await projectWith({ repoUrl: `file://${origin}.gone` });
  const gone = await tested("Failing", "--project", projectId);
  expect(gone.codes).toContain("workspace_repository_unreadable");
});

test("a run of an issue works in its project's repository, as the project wants it", async () => {
  const { agentId } = await createAgent(
    system,
    'console.log(process.env.REVEILLE_WORKSPACE_SOURCE); require("node:fs").writeFileSync("made", "x")',
    { companyId, name: "Cloner" },
  );
  const projectId = await projectWith({
    repoUrl: `file://${origin}`,
    metadata: { workspaceStrategy: { per: "run", dirty: "push" } },
  });
  const issue = await system.call("POST", `/companies/${companyId}/issues`, {
    title: "I",
    projectId,
  });
  const { body } = await system.call("POST", `/agents/${agentId}/wakeup`, {
    payload: { issueId: issue.body["id"] },
  });
  const runId = String(body["id"]);
  const run = await runIsOver(system, runId, 60_000);
  expect(run).toMatchObject({
    status: "succeeded",
    stdoutExcerpt: "project_checkout\n",
    resultJson: {
      workspace: { state: "pushed", files: true, branches: [`reveille/run-${runId}`] },
    },
  });
  const events = (await system.call("GET", `/heartbeat-runs/${runId}/events`))
    .body as unknown as Row[];
  expect(events.map((event) => event["eventType"])).toContain("workspace.pushed");
});
