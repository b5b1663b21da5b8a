// Working trees with a real git, of repositories on this disk: what a run gets, what is left of it, and what a crash leaves.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "@reveille/shared/runtime/clock";
import { createLogger } from "@reveille/shared/runtime/log";
import { findCommand } from "@reveille/runner/command-path";
import { bestEffortTrees, makeLifeline } from "@reveille/runner/containment/best-effort";
import { createStopLine } from "@reveille/runner/core/stop";
import { repositoryId } from "@reveille/runner/repository/address";
import { cachePath } from "@reveille/runner/repository/cache";
import { openCheckout } from "@reveille/runner/repository/checkout";
import type { Checkout, CheckoutParts } from "@reveille/runner/repository/checkout";
import { readPolicy } from "@reveille/runner/repository/policy";
import { sweepRepositories } from "@reveille/runner/repository/sweep";

const scratch = fs.mkdtempSync(join(tmpdir(), "reveille-checkout-"));
const lifeline = join(scratch, "lifeline");
makeLifeline(lifeline);
const processTrees = bestEffortTrees(lifeline, randomUUID());
const git = findCommand("git", "/", process.env["PATH"] ?? "");
const gitPath = git.ok ? git.path : null;
const logger = createLogger("test", "fatal");
const settings = {
  allowFile: true,
  gitTimeoutMs: 60_000,
  treeKeepMs: 0,
  cacheBytesMax: 1e9,
  cacheKeepMs: 1e9,
};
const companyId = randomUUID();
let workDir: string;
let origin: string;
let url: string;

/** Git as somebody else would use it. */
const sh = (cwd: string, ...args: string[]): string =>
  execFileSync("git", ["-c", "user.name=T", "-c", "user.email=t@t", ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim();
const write = (path: string, text: string): void => fs.writeFileSync(path, text);
const originHas = (branch: string): string =>
  sh(origin, "for-each-ref", "--format=%(objectname)", `refs/heads/${branch}`);

beforeAll(() => {
  origin = join(scratch, "origin.git");
  url = `file://${origin}`;
  const work = join(scratch, "work");
  sh(scratch, "init", "-q", "--bare", "-b", "main", origin);
  sh(scratch, "init", "-q", "-b", "main", work);
  write(join(work, "a.txt"), "one\n");
  write(join(work, ".gitignore"), "build\n");
  sh(work, "add", "-A");
  sh(work, "commit", "-q", "-m", "one");
  sh(work, "tag", "v1");
  sh(work, "branch", "side");
  write(join(work, "a.txt"), "two\n");
  sh(work, "commit", "-q", "-am", "two");
  sh(work, "push", "-q", "--tags", origin, "main", "side");
});
beforeEach(() => {
  workDir = fs.mkdtempSync(join(scratch, "runner-"));
});
afterAll(() => {
  processTrees.close();
  fs.rmSync(scratch, { recursive: true, force: true });
});

interface Wish {
  strategy?: object;
  issueId?: string | null;
  runId?: string;
  repoRef?: string | null;
  repoUrl?: string;
  line?: CheckoutParts["line"];
}
async function open(wish: Wish = {}) {
  const { strategy, issueId = null, repoRef = null, repoUrl = url } = wish;
  const execution = {
    companyId,
    agentId: randomUUID(),
    agentName: "Worker",
    runId: wish.runId ?? randomUUID(),
    attempt: 1,
    adapterType: "process",
    adapterConfig: strategy ? { workspaceStrategy: strategy } : {},
    context: {},
    taskKey: issueId,
    issueId,
    session: null,
  };
  const read = readPolicy(execution);
  if (!read.ok) throw new Error(read.reason);
  const credentials = { token: null, username: null, sshKey: null, knownHosts: null };
  const line = wish.line ?? createStopLine();
  const parts = {
    clock: systemClock,
    workDir,
    settings,
    trees: processTrees,
    line,
    gitPath,
    logger,
  };
  return openCheckout(parts, { execution, repoUrl, repoRef, policy: read.policy, credentials });
}
async function opened(wish?: Wish): Promise<Checkout> {
  const answer = await open(wish);
  if (!answer.ok) throw new Error(answer.result.errorMessage ?? "refused");
  return answer.checkout;
}
const read = (checkout: Checkout, name: string): string =>
  fs.readFileSync(join(checkout.cwd, name), "utf8");
const folder = (): string => `${workDir}/.repositories/${repositoryId(companyId, url)}`;

test("a run gets the default branch, on a branch of its own, and origin is the repository", async () => {
  const checkout = await opened();
  expect(read(checkout, "a.txt")).toBe("two\n");
  expect(sh(checkout.cwd, "remote", "get-url", "origin")).toBe(url);
  expect(sh(checkout.cwd, "branch", "--show-current")).toMatch(/^reveille\/run-/);
  expect(sh(checkout.cwd, "status", "--porcelain")).toBe("");
  expect(fs.readdirSync(join(checkout.cwd, ".git"))).not.toContain("hooks");
  expect(await checkout.settle()).toMatchObject({ state: "clean", cwd: null });
  expect(fs.existsSync(checkout.cwd)).toBe(false);
});

test.each(["side", "v1", "refs/heads/side"])("%s is checked out", async (repoRef) => {
  const checkout = await opened({ repoRef });
  expect(read(checkout, "a.txt")).toBe("one\n");
  await checkout.settle();
});

test("a commit is checked out, by all of its name or the beginning", async () => {
  const commit = sh(origin, "rev-parse", "v1");
  for (const repoRef of [commit, commit.slice(0, 10)]) {
    const checkout = await opened({ repoRef });
    expect(read(checkout, "a.txt")).toBe("one\n");
    await checkout.settle();
  }
});

test("what cannot be had is said, and nothing is held", async () => {
  const no = async (wish: Wish) => {
    const answer = await open(wish);
    return answer.ok ? null : answer.result;
  };
  expect(await no({ repoRef: "nowhere" })).toMatchObject({
    errorCode: "workspace_unavailable",
    errorMessage: expect.stringContaining("nowhere"),
  });
  expect(await no({ repoRef: "--force" })).toMatchObject({ errorCode: "workspace_invalid" });
  expect(await no({ repoUrl: "ext::sh -c true" })).toMatchObject({
    errorCode: "workspace_invalid",
  });
  expect(await no({ repoUrl: `${url}-not` })).toMatchObject({ errorCode: "workspace_unavailable" });
  await (await opened()).settle();
});

test("an issue's runs go on in one tree, with what is in no commit", async () => {
  const issueId = randomUUID();
  const first = await opened({ issueId });
  write(join(first.cwd, "new.txt"), "mine");
  expect(await first.settle()).toMatchObject({ state: "kept", files: true, cwd: first.cwd });
  fs.writeFileSync(join(first.cwd, ".git/index.lock"), "");
  const second = await opened({ issueId });
  expect(second.cwd).toBe(first.cwd);
  expect(read(second, "new.txt")).toBe("mine");
  expect(fs.existsSync(join(second.cwd, ".git/index.lock"))).toBe(false);
  await second.settle();
});

test("two runs are never in one tree", async () => {
  const issueId = randomUUID();
  const first = await opened({ issueId });
  const line = createStopLine();
  const waiting = open({ issueId, line });
  line.ask({ kind: "cancel" });
  expect(await waiting).toMatchObject({ ok: false, result: { errorCode: "workspace_busy" } });
  const second = opened({ issueId });
  await first.settle();
  expect((await second).cwd).toBe(first.cwd);
  await (await second).settle();
});

const pushing = { per: "run", dirty: "push" };
test("commits and files are pushed to a branch of the run, and then the tree goes", async () => {
  const runId = randomUUID();
  const checkout = await opened({ strategy: pushing, runId });
  write(join(checkout.cwd, "a.txt"), "three\n");
  sh(checkout.cwd, "commit", "-q", "-am", "three");
  sh(checkout.cwd, "branch", "idea");
  write(join(checkout.cwd, "b.txt"), "four\n");
  fs.mkdirSync(join(checkout.cwd, "build"));
  write(join(checkout.cwd, "build/out"), "ignored");
  const settled = await checkout.settle();
  const branch = `reveille/run-${runId}`;
  expect(settled).toMatchObject({ state: "pushed", cwd: null, files: true, branches: [branch] });
  expect(originHas(branch)).toBe(settled?.commit);
  expect(sh(origin, "show", `${branch}:b.txt`)).toBe("four");
  expect(sh(origin, "show", `${branch}~1:a.txt`)).toBe("three");
  expect(() => sh(origin, "show", `${branch}:build/out`)).toThrow();
  expect(fs.existsSync(checkout.cwd)).toBe(false);
});

test("other branches and the stash are pushed as well", async () => {
  const runId = randomUUID();
  const checkout = await opened({ strategy: pushing, runId });
  sh(checkout.cwd, "switch", "-q", "-c", "feature/x");
  write(join(checkout.cwd, "a.txt"), "x\n");
  sh(checkout.cwd, "commit", "-q", "-am", "x");
  write(join(checkout.cwd, "a.txt"), "stashed\n");
  sh(checkout.cwd, "stash", "-q");
  sh(checkout.cwd, "switch", "-q", "main");
  await checkout.settle();
  expect(sh(origin, "show", `reveille/run-${runId}--feature-x:a.txt`)).toBe("x");
  expect(sh(origin, "show", `reveille/run-${runId}--stash:a.txt`)).toBe("stashed");
});

test("what the agent pushed itself is not pushed again", async () => {
  const checkout = await opened({ strategy: pushing });
  write(join(checkout.cwd, "a.txt"), "own\n");
  sh(checkout.cwd, "commit", "-q", "-am", "own");
  sh(checkout.cwd, "push", "-q", origin, "HEAD:refs/heads/own");
  expect(await checkout.settle()).toMatchObject({ state: "clean", cwd: null });
});

test("a later run of the issue moves its branch on; one that somebody else moved is left alone", async () => {
  const issueId = randomUUID();
  const branch = `reveille/issue-${issueId}`;
  const work = async (text: string) => {
    const checkout = await opened({ issueId, strategy: { dirty: "push" } });
    write(join(checkout.cwd, "a.txt"), text);
    return (await checkout.settle())!;
  };
  await work("first\n");
  expect(await work("second\n")).toMatchObject({ state: "pushed", branches: [branch] });
  expect(sh(origin, "show", `${branch}:a.txt`)).toBe("second");
  sh(origin, "update-ref", `refs/heads/${branch}`, "main");
  const third = await work("third\n");
  expect(third.branches[0]).toMatch(new RegExp(`^${branch}--`));
  expect(originHas(branch)).toBe(originHas("main"));
});

test("work that cannot be pushed is kept and told", async () => {
  const hook = join(origin, "hooks/pre-receive");
  fs.writeFileSync(hook, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const checkout = await opened({ strategy: pushing });
  write(join(checkout.cwd, "a.txt"), "refused\n");
  const settled = await checkout.settle();
  fs.rmSync(hook);
  expect(settled).toMatchObject({ state: "kept", cwd: checkout.cwd });
  expect(settled?.reason).toContain("push");
  expect(read(checkout, "a.txt")).toBe("refused\n");
  await sweepRepositories(workDir, { ...settings, treeKeepMs: -1 }, systemClock, logger);
  expect(fs.existsSync(checkout.cwd)).toBe(true);
});

test("no setting of the tree makes the runner run anything", async () => {
  const checkout = await opened({ strategy: pushing });
  const witness = join(workDir, "witness");
  const evil = join(checkout.cwd, "evil.sh");
  fs.writeFileSync(evil, `#!/bin/sh\necho "$0 $@" >> ${witness}\ncat\n`, { mode: 0o755 });
  fs.mkdirSync(join(checkout.cwd, ".git/hooks"));
  for (const name of [
    "pre-push",
    "post-checkout",
    "pre-commit",
    "reference-transaction",
    "post-index-change",
  ])
    fs.copyFileSync(evil, join(checkout.cwd, ".git/hooks", name));
  const settings = {
    "core.fsmonitor": evil,
    "filter.x.clean": evil,
    "filter.x.smudge": evil,
    "core.sshCommand": evil,
    "credential.helper": evil,
    "uploadpack.packObjectsHook": evil,
    "core.hooksPath": join(checkout.cwd, ".git/hooks"),
    "gpg.program": evil,
    "core.pager": evil,
  };
  for (const [name, value] of Object.entries(settings)) sh(checkout.cwd, "config", name, value);
  write(join(checkout.cwd, ".gitattributes"), "* filter=x\n");
  expect(await checkout.settle()).toMatchObject({ state: "pushed" });
  expect(fs.existsSync(witness)).toBe(false);
});

test("a tree whose git the agent broke is kept", async () => {
  const checkout = await opened({ strategy: pushing });
  fs.rmSync(join(checkout.cwd, ".git"), { recursive: true });
  write(join(checkout.cwd, "a.txt"), "x\n");
  expect(await checkout.settle()).toMatchObject({ state: "kept", cwd: checkout.cwd });
});

test("a lost attempt leaves its tree as it is, for the next", async () => {
  const line = createStopLine();
  const issueId = randomUUID();
  const checkout = await opened({ line, issueId });
  write(join(checkout.cwd, "a.txt"), "half\n");
  line.ask({ kind: "lost", reason: "drained" });
  expect(await checkout.settle()).toBeNull();
  const next = await opened({ issueId });
  expect(read(next, "a.txt")).toBe("half\n");
  await next.settle();
});

test.each([
  ["a copy half made", () => fs.mkdirSync(`${folder()}/cache.new`, { recursive: true })],
  ["a copy without its head", () => fs.rmSync(`${cachePath(folder())}/HEAD`)],
  [
    "lock files of a dead git",
    () => {
      for (const name of [
        "packed-refs.lock",
        "config.lock",
        "refs/heads/main.lock",
        "refs/reveille/head.lock",
      ])
        fs.writeFileSync(join(cachePath(folder()), name), "");
    },
  ],
  [
    "a copy without its objects",
    () => fs.rmSync(`${cachePath(folder())}/objects`, { recursive: true }),
  ],
  [
    "a pack cut short",
    () => {
      const packs = `${cachePath(folder())}/objects/pack`;
      for (const name of fs.readdirSync(packs).filter((file) => file.endsWith(".pack"))) {
        // Trees have it by a hard link.
        const bytes = fs.readFileSync(join(packs, name));
        fs.rmSync(join(packs, name));
        fs.writeFileSync(join(packs, name), bytes.subarray(0, 20));
      }
    },
  ],
  ["a setting that is none", () => fs.writeFileSync(`${cachePath(folder())}/config`, "[core\n")],
])("after a crash that left %s, the next run gets its tree", async (_, leave) => {
  await (await opened()).settle();
  leave();
  const checkout = await opened({ repoRef: "side" });
  expect(read(checkout, "a.txt")).toBe("one\n");
  expect(await checkout.settle()).toMatchObject({ state: "clean" });
});

test("a draft of a tree that a crash left is made again", async () => {
  const issueId = randomUUID();
  fs.mkdirSync(`${folder()}/trees/.new-issue-${issueId}/.git`, { recursive: true });
  const checkout = await opened({ issueId });
  expect(read(checkout, "a.txt")).toBe("two\n");
  await checkout.settle();
});

test("a tree outlives its cache", async () => {
  const issueId = randomUUID();
  const first = await opened({ issueId, strategy: { dirty: "push" } });
  await sweepRepositories(workDir, { ...settings, cacheBytesMax: 0 }, systemClock, logger);
  expect(fs.existsSync(cachePath(folder()))).toBe(false);
  write(join(first.cwd, "a.txt"), "still\n");
  expect(sh(first.cwd, "log", "--oneline").split("\n")).toHaveLength(2);
  expect(await first.settle()).toMatchObject({ state: "pushed" });
});

test("unused trees without work go, others stay", async () => {
  const [clean, dirty, inUse] = [randomUUID(), randomUUID(), randomUUID()];
  const done = await opened({ issueId: clean });
  await done.settle();
  const left = await opened({ issueId: dirty });
  write(join(left.cwd, "a.txt"), "left\n");
  await left.settle();
  const busy = await opened({ issueId: inUse });
  const swept = await sweepRepositories(
    workDir,
    { ...settings, treeKeepMs: -1 },
    systemClock,
    logger,
  );
  expect(swept).toMatchObject({ trees: 1, kept: 1 });
  expect([done, left, busy].map(({ cwd }) => fs.existsSync(cwd))).toEqual([false, true, true]);
  await busy.settle();
});

test("ten runs at once share one cache and get a tree each", async () => {
  const checkouts = await Promise.all(
    Array.from({ length: 10 }, () => opened({ strategy: pushing })),
  );
  expect(new Set(checkouts.map(({ cwd }) => cwd)).size).toBe(10);
  for (const checkout of checkouts) expect(read(checkout, "a.txt")).toBe("two\n");
  for (const [at, { cwd }] of checkouts.entries()) write(join(cwd, "mine"), String(at));
  const settled = await Promise.all(checkouts.map((checkout) => checkout.settle()));
  for (const [at, work] of settled.entries())
    expect(sh(origin, "show", `${work!.branches[0]}:mine`)).toBe(String(at));
});
