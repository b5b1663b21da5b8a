// Runs that work in checked-out repositories, on real runners that share one machine's work folder: what a process finds there, what
// is told of its work, and that no two runs are ever in one tree, also when a runner is killed.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Execution } from "@reveille/shared/protocol/execution";
import { newId } from "@reveille/shared/protocol/ids";
import { eventually, startRig } from "./rig.js";
import type { Rig, RunnerProcess } from "./rig.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-repositories-"));
const origin = join(scratch, "origin.git");
const companyId = newId();
let rig: Rig;
let runners: RunnerProcess[];
const tools = fileURLToPath(new URL("../../../cli/path", import.meta.url));
const env = {
  REVEILLE_RUNNER_REPOSITORIES_ALLOW_FILE: "true",
  REVEILLE_RUNNER_TOOLS_PATH: tools,
};

const git = (cwd: string, ...args: string[]): string =>
  execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@t", ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();

beforeAll(async () => {
  const work = join(scratch, "work");
  git(scratch, "init", "-q", "--bare", "-b", "main", origin);
  git(scratch, "init", "-q", "-b", "main", work);
  writeFileSync(join(work, "count"), "0\n");
  git(work, "add", "-A");
  git(work, "commit", "-q", "-m", "begin");
  git(work, "push", "-q", origin, "main");
  rig = await startRig(scratch);
  runners = [await rig.runner(env), await rig.runner(env)];
});
afterAll(async () => {
  await rig.stop();
  rmSync(scratch, { recursive: true, force: true });
});

const workspaceId = newId();
const run = (
  script: string,
  more: Partial<Execution> & { strategy?: object; repoUrl?: string } = {},
): Promise<Execution> => {
  const { strategy, repoUrl = `file://${origin}`, ...rest } = more;
  const workspaces = [{ id: workspaceId, cwd: null, repoUrl, repoRef: "main" }];
  return rig.enqueue(
    {
      command: "/bin/sh",
      args: ["-c", script],
      ...(strategy ? { workspaceStrategy: strategy } : {}),
    },
    { companyId, project: { id: newId(), useWorkspace: true, workspaces }, ...rest },
  );
};
const finished = (runId: string) => rig.actor.until("finished", runId, 90_000);

test("a process works in its tree, and what it leaves is pushed and told", async () => {
  const { runId } = await run(
    'echo 1 > count; echo "$REVEILLE_WORKSPACE_SOURCE $REVEILLE_WORKSPACE_ID"; pwd -P',
    { strategy: { per: "run", dirty: "push" } },
  );
  const { result, stdoutExcerpt, events } = await finished(runId);
  const branch = `reveille/run-${runId}`;
  expect(result).toMatchObject({
    exitCode: 0,
    resultJson: { stdout: stdoutExcerpt, workspace: { state: "pushed", branches: [branch] } },
  });
  expect(stdoutExcerpt.split("\n")[0]).toBe(`project_checkout ${workspaceId}`);
  expect(stdoutExcerpt).toContain(`/trees/run-${runId}`);
  expect(events).toContainEqual(expect.objectContaining({ eventType: "workspace.pushed" }));
  expect(git(origin, "show", `${branch}:count`)).toBe("1");
});

test("a run finds the command by its name, behind all others", async () => {
  const { runId } = await rig.enqueue({
    command: "/bin/sh",
    args: ["-c", 'echo "${PATH##*:}"; reveille my --help >/dev/null && echo found'],
  });
  expect((await finished(runId)).stdoutExcerpt).toBe(`${tools}\nfound\n`);
});

test("a run that was cancelled has its work kept, and its result says where", async () => {
  const began = join(scratch, "began");
  const execution = await run(`echo 2 > count; echo > ${began}; exec sleep 60`, {
    issueId: newId(),
  });
  await eventually("it works", () => existsSync(began), 60_000);
  const { claimId } = await rig.actor.until("started", execution.runId);
  rig.actor.cancel(execution, claimId);
  const { result, events } = await finished(execution.runId);
  const workspace = (result.resultJson as { workspace: { state: string; cwd: string } }).workspace;
  expect(workspace).toMatchObject({ state: "kept", files: true });
  expect(readFileSync(join(workspace.cwd, "count"), "utf8")).toBe("2\n");
  expect(events).toContainEqual(
    expect.objectContaining({ eventType: "workspace.kept", level: "warn" }),
  );
});

test("a repository that cannot be had fails the run before anything is started", async () => {
  const witness = join(scratch, "started");
  for (const [repoUrl, errorCode] of [
    [`file://${origin}.not-there`, "workspace_unavailable"],
    ["--upload-pack=/bin/true", "workspace_invalid"],
  ] as const) {
    const { runId } = await run(`echo > ${witness}`, { repoUrl });
    expect((await finished(runId)).result).toMatchObject({ errorCode, threw: true });
  }
  expect(existsSync(witness)).toBe(false);
});

test("runs of one issue on two runners are in its tree one after the other", async () => {
  const issueId = newId();
  // Only a tree of its own makes each of them count on from what the one before has left.
  const script =
    "mkdir alone || exit 9; n=$(cat count); sleep 0.2; echo $((n + 1)) > count; rmdir alone";
  const executions = [];
  for (let at = 0; at < 6; at += 1) executions.push(await run(script, { issueId }));
  const ends = await Promise.all(executions.map(({ runId }) => finished(runId)));
  expect(ends.map(({ result }) => result.exitCode)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(new Set(ends.map(({ incarnation }) => incarnation)).size).toBe(2);
  const { workspace } = ends[0]!.result.resultJson as { workspace: { cwd: string } };
  expect(readFileSync(join(workspace.cwd, "count"), "utf8")).toBe("6\n");
});

test("after a runner was killed, the repetition on another finds the work of the first try", async () => {
  const issueId = newId();
  const mark = join(scratch, "first-try");
  const script = `if [ -e ${mark} ]; then cat count; else echo half > count; echo > ${mark}; exec sleep 300; fi`;
  const first = await run(script, { issueId });
  await eventually("the first try works", () => existsSync(mark), 60_000);
  const { incarnation } = await rig.actor.until("started", first.runId);
  const runner = runners.find(({ lines }) => lines.some((line) => line.includes(incarnation)))!;
  runner.child.kill("SIGKILL");
  await rig.actor.until("lost", first.runId, 60_000);
  const { runId } = await run(script, { issueId, runId: newId() });
  expect((await finished(runId)).stdoutExcerpt).toBe("half\n");
});
