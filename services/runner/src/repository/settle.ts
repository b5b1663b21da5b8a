/**
 * What becomes of a working tree when its run has ended: nothing of an agent's work is thrown away. What its
 * repository does not have is pushed to a branch, or stays where it is and is told; a tree is removed only
 * when all of it is known to be elsewhere.
 */
import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { cacheLock, cachePath, updateCache } from "./cache.js";
import { takeFolderLock } from "./folder-lock.js";
import { GitFailed } from "./git.js";
import type { Git } from "./git.js";
import { branchOf } from "./policy.js";
import type { CheckoutPolicy } from "./policy.js";
import { dropKnown, forgetImport, importWork } from "./unpushed.js";
import type { Unpushed } from "./unpushed.js";
import { readTreeState, retireTree, treePath, writeTreeState } from "./working-tree.js";
import type { TreeState } from "./working-tree.js";

/** What is told of a tree with work in it; on the run's result and in an event. */
export interface SettledWork {
  /** `pushed`: all of it is in branches of the repository. */
  state: "clean" | "pushed" | "kept";
  /** Where it is on the runner; null: removed. */
  cwd: string | null;
  /** Branches that were pushed. */
  branches: string[];
  /** Of the agent's place, with its files. */
  commit: string | null;
  /** Some files were in no commit. */
  files: boolean;
  /** Why it was kept. */
  reason: string | null;
}
export interface SettleParts {
  clock: Clock;
  folder: string;
  policy: CheckoutPolicy;
  state: TreeState;
  privateFolder: () => string;
  lockWaitMs: number;
  signal: AbortSignal;
  logger: Logger;
}

/** Wants the tree's lock. Never rejects for what git or the disk say: then the tree is kept. */
export async function settleTree(git: Git, parts: SettleParts): Promise<SettledWork> {
  const { clock, folder, policy, state } = parts;
  const tree = treePath(folder, policy.key);
  const lock = await takeFolderLock(cacheLock(folder), clock, parts.lockWaitMs, parts.signal);
  const kept = (reason: string): SettledWork => ({
    state: "kept",
    cwd: tree,
    branches: [],
    commit: null,
    files: false,
    reason: reason.slice(0, 1_000),
  });
  let settled: SettledWork;
  try {
    settled = lock ? await judge(git, parts, tree) : kept("the repository's cache was busy");
  } catch (error) {
    settled = kept((error as Error).message);
  } finally {
    lock?.release();
  }
  const pushed = settled.state === "pushed" ? currentPushed(parts) : state.pushed;
  writeTreeState(folder, policy.key, {
    ...state,
    pushed,
    work: settled.state,
    atMs: clock.wallMs(),
  });
  if (policy.cleanup !== "remove" || settled.state === "kept") return settled;
  const gone = retireTree(folder, policy.key, randomUUID());
  // Not waited for: how much is in it is the agent's doing. What a crash leaves of it is swept.
  if (gone)
    void rm(gone, { recursive: true, force: true }).catch((error: unknown) => {
      parts.logger.warn({ err: error, path: gone }, "a working tree could not be removed");
    });
  return { ...settled, cwd: null };
}

/** What the branches were left at: `push` has written it down as it went. */
const currentPushed = ({ folder, policy, state }: SettleParts): TreeState["pushed"] =>
  readTreeState(folder, policy.key)?.pushed ?? state.pushed;

async function judge(git: Git, parts: SettleParts, tree: string): Promise<SettledWork> {
  const { clock, folder, policy } = parts;
  const work = await importWork(git, folder, policy.key, parts.privateFolder());
  try {
    const commit = work.commits.get("") ?? null;
    const { files } = work;
    await dropKnown(git, folder, work);
    // It may have pushed by itself.
    if (work.commits.size > 0) {
      await updateCache(git, folder, clock).catch(ignoreGit);
      await dropKnown(git, folder, work);
    }
    const told = { cwd: tree, commit, files, branches: [], reason: null };
    if (work.commits.size === 0) return { ...told, state: "clean" };
    if (policy.dirty === "keep")
      return { ...told, state: "kept", reason: "workspaceStrategy.dirty is keep" };
    const branches = await push(git, parts, work);
    return { ...told, state: "pushed", branches };
  } finally {
    await forgetImport(git, folder, policy.key).catch(ignoreGit);
  }
}

/** The cache may be older than the repository then: more counts as unpushed, never less. */
function ignoreGit(error: unknown): void {
  if (!(error instanceof GitFailed)) throw error;
}

/** Answers the branches. @throws GitFailed */
async function push(git: Git, parts: SettleParts, work: Unpushed): Promise<string[]> {
  const { folder, policy, state } = parts;
  const call = { cwd: folder, gitDir: cachePath(folder), remote: true };
  const branches: string[] = [];
  const pushed = { ...state.pushed };
  for (const [name, commit] of work.commits) {
    const own = branchOf(policy.key) + (name === "" ? "" : `--${name.replaceAll("/", "-")}`);
    const branch = await pushTo(own, commit, pushed[own] ?? "");
    pushed[branch] = commit;
    branches.push(branch);
    writeTreeState(folder, policy.key, { ...state, pushed });
  }
  return branches;

  /** To the branch as we left it; when somebody else has moved it, to one of this run's. */
  async function pushTo(branch: string, commit: string, leftAt: string): Promise<string> {
    const args = (to: string, expected: string): string[] => [
      "push",
      "--quiet",
      "--no-verify",
      `--force-with-lease=refs/heads/${to}:${expected}`,
      "--",
      git.address.url,
      `${commit}:refs/heads/${to}`,
    ];
    try {
      await git(args(branch, leftAt), call);
      return branch;
    } catch (error) {
      if (!(error instanceof GitFailed) || !/stale info|rejected/.test(error.message)) throw error;
      const other = `${branch}--${state.runId}`;
      await git(args(other, pushed[other] ?? ""), call);
      return other;
    }
  }
}
