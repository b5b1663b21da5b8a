import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { systemClock } from "@reveille/shared/runtime/clock";
import { checkWorkspaces } from "./workspace-checks.js";

const here = mkdtempSync(join(tmpdir(), "reveille-checks-"));
afterAll(() => rmSync(here, { recursive: true, force: true }));
const settings = {
  allowFile: false,
  gitTimeoutMs: 1,
  treeKeepMs: 1,
  cacheBytesMax: 1,
  cacheKeepMs: 1,
};
const none = { cwd: null, repoUrl: null, repoRef: null };
/** No git: what is asked of a repository is shown with real ones elsewhere. */
const check = (
  workspaces: Partial<typeof none>[] | { cwd?: string; repoUrl?: string; repoRef?: string }[],
  config = {},
) =>
  checkWorkspaces(
    { clock: systemClock, settings, git: { ok: false, reason: "none" }, inherited: {} },
    workspaces.map((workspace) => ({ ...none, ...workspace })),
    config,
  );
const codes = (checks: { code: string; level: string }[]) =>
  checks.map(({ code, level }) => `${level} ${code}`);

test("without workspaces a run works in the agent's own folder, and that is fine", async () => {
  expect(codes(await check([]))).toEqual(["info workspace_agent_home"]);
});

test("a folder that is here is enough; one that is not is told with what to do", async () => {
  const checks = await check([{ cwd: join(here, "gone") }, { cwd: here }]);
  expect(codes(checks)).toEqual(["warn workspace_folder_missing", "info workspace_folder_here"]);
  expect(checks[0]?.hint).toContain("repoUrl");
});

test("what no run could check out is an error that says how to mend it", async () => {
  const checks = await check(
    [{ repoUrl: "ext::sh" }, { repoUrl: "https://x/y", repoRef: "-b" }, { repoUrl: "https://x/y" }],
    { workspaceStrategy: { per: "day" } },
  );
  expect(codes(checks)).toEqual([
    "error workspace_strategy_invalid",
    "error workspace_repository_invalid",
    "error workspace_repository_invalid",
    "error workspace_git_missing",
    "warn workspace_agent_home",
  ]);
  for (const { hint } of checks) expect(hint).toBeTruthy();
});
