/**
 * A run's working tree, from the wish for one to its end: locks, cache, tree, and what becomes of it. A tree
 * belongs to one run at a time, on the whole machine: its lock is held from before it is made until it is
 * settled.
 */
import type { Execution, RunResult } from "@reveille/shared/protocol/execution";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { existsSync, mkdirSync } from "node:fs";
import type { Trees } from "../containment/tree.js";
import { failedResult } from "../core/outcome.js";
import { createStopLine } from "../core/stop.js";
import type { StopLine } from "../core/stop.js";
import { makePrivateFolder, removePrivateFolder } from "../private-folders.js";
import { readAddress, refFault, repositoryId } from "./address.js";
import { cacheLock, resolveRef, updateCache } from "./cache.js";
import { containedProcess } from "./contained-process.js";
import { takeFolderLock } from "./folder-lock.js";
import type { FolderLock } from "./folder-lock.js";
import { createGit, GitFailed } from "./git.js";
import type { Git, GitCredentials } from "./git.js";
import type { CheckoutPolicy } from "./policy.js";
import { settleTree } from "./settle.js";
import type { SettledWork } from "./settle.js";
import * as trees from "./working-tree.js";

export interface RepositorySettings {
  /** Repositories on the runner's own disk may be named: for tests, and for runners of one team alone. */
  allowFile: boolean;
  /** Of one git command, clone included. */
  gitTimeoutMs: number;
  /** Trees without work of their own that no run used for so long are removed. */
  treeKeepMs: number;
  /** Of all caches together; the least used go first. */
  cacheBytesMax: number;
  /** Caches that no run used for so long are removed. */
  cacheKeepMs: number;
}
export interface CheckoutRequest {
  execution: Execution;
  repoUrl: string;
  repoRef: string | null;
  policy: CheckoutPolicy;
  credentials: GitCredentials;
}
export interface CheckoutParts {
  clock: Clock;
  workDir: string;
  settings: RepositorySettings;
  trees: Trees;
  line: StopLine;
  /** Of git; null: there is none here. */
  gitPath: string | null;
  logger: Logger;
}
export interface Checkout {
  /** Absolute. */
  readonly cwd: string;
  /** What is odd and ends no run. */
  readonly warnings: readonly string[];
  /** After the last process of the run; gives the tree back. Never rejects. */
  settle(): Promise<SettledWork | null>;
}
export type OpenedCheckout = { ok: true; checkout: Checkout } | { ok: false; result: RunResult };
/** Gives a run its tree; a port of the runner. Never rejects for what repository, network or disk say. */
export type OpenCheckout = (
  parts: CheckoutParts,
  request: CheckoutRequest,
) => Promise<OpenedCheckout>;

/** Below a runner's work folder; agents' homes are named by ids. */
export const repositoriesFolder = (workDir: string): string => `${workDir}/.repositories`;
/** Another run is in the tree: only one that is being killed, as an issue has one run at a time. Twice a guard's deadline. */
const treeWaitMs = 45_000;
/** Words of git about what may be better in a minute. */
const passing =
  /could not resolve host|timed out|connection (refused|reset|closed)|early eof|hung up|unexpected disconnect|no route to host|network is unreachable|error: [45](29|00|02|03|04)\b|no end within/i;

const refused = (message: string): OpenedCheckout => ({
  ok: false,
  result: failedResult(message, "workspace_invalid"),
});

export const openCheckout: OpenCheckout = async (parts, request) => {
  const { repoRef, execution } = request;
  const read = readAddress(request.repoUrl, parts.settings.allowFile);
  if (!read.ok) return refused(read.reason);
  const fault = repoRef === null ? null : refFault(repoRef);
  if (fault) return refused(fault);
  if (parts.gitPath === null)
    return refused(
      "the runner has no git: install it, or give the workspace a folder that is there",
    );
  const id = repositoryId(execution.companyId, request.repoUrl);
  const folder = `${repositoriesFolder(parts.workDir)}/${id}`;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const use = new Use(parts, request, folder, createPrivate(parts, execution));
  const opened = await use.open(read.address, parts.gitPath);
  if (!opened.ok) use.close();
  return opened;
};

interface Private {
  path: () => string;
  remove: () => void;
}
function createPrivate({ workDir, logger }: CheckoutParts, execution: Execution): Private {
  let folder: string | null = null;
  const { runId, attempt } = execution;
  return {
    path: () => (folder ??= makePrivateFolder(workDir, runId, attempt)),
    remove: () => {
      if (folder) void removePrivateFolder(folder, logger);
      folder = null;
    },
  };
}

/** One run's use of one tree. */
class Use implements Checkout {
  readonly cwd: string;
  readonly warnings: string[] = [];
  readonly #parts: CheckoutParts;
  readonly #request: CheckoutRequest;
  readonly #folder: string;
  readonly #private: Private;
  #lock: FolderLock | null = null;
  #state: trees.TreeState | null = null;
  #git: ((line: Pick<StopLine, "listen">) => Git) | null = null;

  constructor(parts: CheckoutParts, request: CheckoutRequest, folder: string, own: Private) {
    this.#parts = parts;
    this.#request = request;
    this.#folder = folder;
    this.#private = own;
    this.cwd = trees.treePath(folder, request.policy.key);
  }

  async open(address: Git["address"], gitPath: string): Promise<OpenedCheckout> {
    const { clock, settings, trees: processTrees, line, logger } = this.#parts;
    const { execution, credentials, policy } = this.#request;
    this.#git = (ownLine) =>
      createGit({
        run: containedProcess({ clock, trees: processTrees, ...execution, line: ownLine, logger }),
        path: gitPath,
        inherited: process.env,
        address,
        credentials,
        privateFolder: this.#private.path,
        hostsFile: `${this.#folder}/known_hosts`,
        timeoutMs: settings.gitTimeoutMs,
      });
    const lockPath = trees.treeLock(this.#folder, policy.key);
    this.#lock = await takeFolderLock(lockPath, clock, treeWaitMs, line.signal);
    if (!this.#lock)
      return this.#failed("its working tree is in use by another run", "workspace_busy", true);
    try {
      return await this.#enter(this.#git(line));
    } catch (error) {
      if (!(error instanceof GitFailed) && (error as NodeJS.ErrnoException).code === undefined)
        throw error;
      const { message } = error as Error;
      return this.#failed(message, "workspace_unavailable", passing.test(message));
    }
  }

  #failed(why: string, code: string, transient: boolean): OpenedCheckout {
    const result = failedResult(`The workspace cannot be checked out: ${why}`, code);
    return { ok: false, result: { ...result, ...(transient ? { transient } : {}) } };
  }

  /** With the tree's lock. @throws GitFailed, and what the disk says. */
  async #enter(git: Git): Promise<OpenedCheckout> {
    const { clock } = this.#parts;
    const { policy, repoUrl, repoRef, execution } = this.#request;
    const { runId, agentId } = execution;
    const known = trees.readTreeState(this.#folder, policy.key);
    const facts = { repoUrl, repoRef, runId, agentId, work: "working" as const };
    if (existsSync(this.cwd)) {
      trees.removeLeftLocks(this.cwd);
      if (known && known.repoRef !== repoRef)
        this.warnings.push(`the working tree began at ${known.repoRef ?? "the default branch"}`);
      this.#state = { commit: "", pushed: {}, ...known, ...facts, atMs: clock.wallMs() };
      trees.writeTreeState(this.#folder, policy.key, this.#state);
      return { ok: true, checkout: this };
    }
    const made = await this.#draft(git);
    if (!made) {
      const ref = repoRef === null ? "a default branch" : `a branch, tag or commit ${repoRef}`;
      return this.#failed(`the repository has not ${ref}`, "workspace_unavailable", false);
    }
    const { draft, commit } = made;
    this.#state = { ...facts, commit, pushed: known?.pushed ?? {}, atMs: clock.wallMs() };
    await trees.finishTree(git, this.#folder, policy.key, draft, execution.agentName, this.#state);
    return { ok: true, checkout: this };
  }

  /** With the cache's lock, which other runs wait for as long as a clone takes. Null: there is no such ref. */
  async #draft(git: Git): Promise<{ draft: string; commit: string } | null> {
    const { clock, settings, line } = this.#parts;
    const { policy, repoRef } = this.#request;
    const waitMs = settings.gitTimeoutMs;
    const lock = await takeFolderLock(cacheLock(this.#folder), clock, waitMs, line.signal);
    if (!lock) throw new GitFailed("no end within the limit: another run clones it", null);
    try {
      await updateCache(git, this.#folder, clock);
      const commit = await resolveRef(git, this.#folder, repoRef);
      if (commit === null) return null;
      return { draft: await trees.draftTree(git, this.#folder, policy.key), commit };
    } finally {
      lock.release();
    }
  }

  async settle(): Promise<SettledWork | null> {
    const { clock, line, settings, logger } = this.#parts;
    const { policy } = this.#request;
    const state = this.#state;
    // The run was ended, its work was not: only a lost attempt leaves everything as it is.
    if (!state || !this.#git || line.stop?.kind === "lost") {
      this.close();
      return null;
    }
    const own = createStopLine();
    line.listen((stop) => {
      if (stop.kind === "lost") own.ask(stop);
    });
    try {
      return await settleTree(this.#git(own), {
        clock,
        policy,
        state,
        logger,
        folder: this.#folder,
        privateFolder: this.#private.path,
        lockWaitMs: settings.gitTimeoutMs,
        signal: own.signal,
      });
    } catch (error) {
      logger.error(
        { err: error, cwd: this.cwd },
        "a working tree could not be settled: it is kept",
      );
      return null;
    } finally {
      this.close();
    }
  }

  close(): void {
    this.#private.remove();
    this.#lock?.release();
  }
}
