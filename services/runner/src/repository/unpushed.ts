/**
 * What a working tree holds that its repository does not: commits, and files that no commit has. The tree's
 * own git settings are the agent's, so no git ever works with them: commits are fetched out of the tree into
 * the cache, and files are compared from there. Wants the locks of tree and cache.
 */
import { existsSync, rmSync } from "node:fs";
import { cachePath, ensureCache } from "./cache.js";
import type { Git, GitCall } from "./git.js";
import { treePath } from "./working-tree.js";

export interface Unpushed {
  /** By name below `reveille/<key>`: "" is where the agent stands, with its files. */
  commits: Map<string, string>;
  /** Some files were in no commit of the agent's. */
  files: boolean;
}

/** Branches of one tree that are looked at; more are as good as unknown, and the tree is kept. */
const branchesMax = 50;

/** Takes what the tree holds into the cache, below refs of its own. @throws GitFailed, Error */
export async function importWork(
  git: Git,
  folder: string,
  key: string,
  privateFolder: string,
): Promise<Unpushed> {
  const gitDir = await ensureCache(git, folder);
  const tree = treePath(folder, key);
  const call: GitCall = { cwd: folder, gitDir };
  const at = refsOf(key);
  const refs = [`+HEAD:${at}/at`, `+refs/heads/*:${at}/heads/*`, `+refs/stash*:${at}/stash*`];
  const options = ["--no-tags", "--force", "--quiet", "--no-write-fetch-head"];
  await git(["fetch", ...options, "--", tree, ...refs], call);
  const listed = await git(
    ["for-each-ref", `--count=${branchesMax + 1}`, "--format=%(objectname) %(refname)", at],
    call,
  );
  const commits = new Map<string, string>();
  for (const line of listed.split("\n").filter(Boolean)) {
    const [commit, name] = line.split(" ");
    commits.set(name!.slice(at.length + 1).replace(/^heads\//, ""), commit!);
  }
  if (commits.size > branchesMax) throw new Error(`the tree has more than ${branchesMax} branches`);
  const head = commits.get("at");
  if (head === undefined) throw new Error("the tree has no commit");
  commits.delete("at");
  const snapshot = await commitFiles(git, { ...call, workTree: tree }, head, privateFolder);
  // The branch that the agent stands on is told once, with the files.
  for (const [name, commit] of commits) if (commit === head) commits.delete(name);
  commits.set("", snapshot);
  return { commits, files: snapshot !== head };
}

/** A commit of the tree's files as they are (without ignored ones) on top of `head`; `head` when nothing differs. */
async function commitFiles(
  git: Git,
  call: GitCall,
  head: string,
  privateFolder: string,
): Promise<string> {
  const indexFile = `${privateFolder}/index`;
  const inTree = { ...call, cwd: call.workTree!, indexFile };
  try {
    await git(["read-tree", head], inTree);
    await git(["add", "--all", "--", "."], inTree);
    const files = (await git(["write-tree"], inTree)).trim();
    const before = (await git(["rev-parse", "--verify", `${head}^{tree}`], call)).trim();
    if (files === before) return head;
    const message = "Work that was in no commit when its run ended";
    return (await git(["commit-tree", files, "-p", head, "-m", message], call)).trim();
  } finally {
    for (const path of [indexFile, `${indexFile}.lock`])
      if (existsSync(path)) rmSync(path, { force: true });
  }
}

/** Leaves out what some branch or tag of the repository has, as the cache knows them. @throws GitFailed */
export async function dropKnown(git: Git, folder: string, work: Unpushed): Promise<void> {
  const call = { cwd: folder, gitDir: cachePath(folder) };
  const known = ["refs/heads", "refs/tags", "refs/reveille/head"];
  for (const [name, commit] of work.commits) {
    const args = ["for-each-ref", "--count=1", `--contains=${commit}`, ...known];
    if ((await git(args, call)).trim() !== "") work.commits.delete(name);
  }
}

/** Forgets what was imported. Objects stay until the cache goes. @throws GitFailed */
export async function forgetImport(git: Git, folder: string, key: string): Promise<void> {
  const call = { cwd: folder, gitDir: cachePath(folder) };
  const listed = await git(["for-each-ref", "--format=%(refname)", refsOf(key)], call);
  for (const name of listed.split("\n").filter(Boolean))
    await git(["update-ref", "-d", name], call);
}

const refsOf = (key: string): string => `refs/reveille/trees/${key}`;
