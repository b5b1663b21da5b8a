import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { agentHome, findWorkspace } from "./workspace-folder.js";
import { workspaceOrder } from "./workspace-order.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-workspace-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const agentId = "0b0c7b1e-3a52-4a6a-9a53-6e2f3d7f0001";
const home = agentHome(scratch, agentId);
const folder = join(scratch, "folder");
mkdirSync(folder);
const file = join(scratch, "file");
writeFileSync(file, "");

const found = (cwds: readonly (string | null)[], sessionCwd?: string) => {
  const workspaces = cwds.map((cwd, at) => ({ id: `w${at}`, cwd, repoUrl: null, repoRef: null }));
  const project = cwds.length > 0 ? { id: "p", useWorkspace: true, workspaces } : null;
  const session = sessionCwd ? { id: null, displayId: null, params: { cwd: sessionCwd } } : null;
  return findWorkspace(workspaceOrder({ project, session }, home));
};

test("a file and a folder that is gone are no folders [P2]", async () => {
  expect(await found([file, join(scratch, "gone"), folder])).toMatchObject({
    cwd: folder,
    workspaceId: "w2",
  });
});

test("without any folder of the project it is the agent's own [P3]", async () => {
  expect(await found([null, file])).toMatchObject({
    cwd: home,
    source: "project_primary",
    workspaceId: "w0",
  });
});

test("a session's folder counts while it exists [P4] [P5]", async () => {
  expect(await found([], folder)).toMatchObject({ cwd: folder, source: "task_session" });
  expect(await found([], join(scratch, "gone"))).toMatchObject({ cwd: home, source: "agent_home" });
});

test("the agent's own folder is made where it is missing [P5]", () => {
  expect(home).toBe(join(scratch, agentId));
  rmSync(home, { recursive: true });
  expect(agentHome(scratch, agentId)).toBe(home);
  writeFileSync(join(home, "x"), "");
});
