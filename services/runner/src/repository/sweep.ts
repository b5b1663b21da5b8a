/**
 * Keeps repositories within their bounds: trees that are known to hold nothing of their own go after a while,
 * caches that nobody used, and the least used of too many. A tree with work in it, or with unknown content,
 * is never removed here.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, renameSync, statSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { cacheBytes, cacheLock, cachePath } from "./cache.js";
import { repositoriesFolder } from "./checkout.js";
import type { RepositorySettings } from "./checkout.js";
import { tryFolderLock } from "./folder-lock.js";
import { draftPrefix, gonePrefix, readTreeState, retireTree, treeLock } from "./working-tree.js";

export interface Swept {
  trees: number;
  caches: number;
  /** Trees with work in them, or of which nothing is known. */
  kept: number;
}

/** Bounds are in days and gigabytes. */
const sweepEveryMs = 3_600_000;

/** Sweeps now and every hour, until it is cancelled. */
export function keepRepositories(
  workDir: string,
  settings: RepositorySettings,
  clock: Clock,
  logger: Logger,
): Timer {
  let sweeping = false;
  const sweep = async (): Promise<void> => {
    if (sweeping) return;
    sweeping = true;
    try {
      await sweepRepositories(workDir, settings, clock, logger);
    } catch (error) {
      logger.warn({ err: error }, "repositories could not be looked through");
    }
    sweeping = false;
  };
  void sweep();
  return clock.every(sweepEveryMs, () => void sweep(), { background: true });
}

/** Never rejects for what is in use or cannot be removed: the next sweep looks again. */
export async function sweepRepositories(
  workDir: string,
  settings: RepositorySettings,
  clock: Clock,
  logger: Logger,
): Promise<Swept> {
  const swept: Swept = { trees: 0, caches: 0, kept: 0 };
  const parent = repositoriesFolder(workDir);
  const folders = namesIn(parent).map((name) => `${parent}/${name}`);
  const remove = (path: string): Promise<void> =>
    rm(path, { recursive: true, force: true }).catch((error: unknown) =>
      logger.warn({ err: error, path }, "what is left of a repository could not be removed"),
    );
  for (const folder of folders) {
    for (const name of namesIn(folder))
      if (name.startsWith(gonePrefix)) await remove(`${folder}/${name}`);
    await sweepTrees(folder, settings, clock, swept, remove);
  }
  await sweepCaches(folders, settings, clock, swept, remove);
  if (swept.trees + swept.caches > 0) logger.info(swept, "removed unused repositories");
  return swept;
}
type Remove = (path: string) => Promise<void>;

async function sweepTrees(
  folder: string,
  { treeKeepMs }: RepositorySettings,
  clock: Clock,
  swept: Swept,
  remove: Remove,
): Promise<void> {
  const at = `${folder}/trees`;
  for (const name of namesIn(at)) {
    if (name.startsWith(gonePrefix)) await remove(`${at}/${name}`);
    else if (name.startsWith(draftPrefix)) {
      const lock = tryFolderLock(treeLock(folder, name.slice(draftPrefix.length)), clock);
      if (lock) await remove(`${at}/${name}`);
      lock?.release();
    } else if (!name.includes(".")) await sweepTree(folder, name, clock, treeKeepMs, swept, remove);
  }
}

async function sweepTree(
  folder: string,
  key: string,
  clock: Clock,
  keepMs: number,
  swept: Swept,
  remove: Remove,
): Promise<void> {
  const lock = tryFolderLock(treeLock(folder, key), clock);
  if (!lock) return;
  const state = readTreeState(folder, key);
  const settled = state?.work === "clean" || state?.work === "pushed";
  let gone: string | null = null;
  if (!settled) swept.kept += 1;
  else if (state.atMs < clock.wallMs() - keepMs) gone = retireTree(folder, key, randomUUID());
  lock.release();
  if (gone === null) return;
  swept.trees += 1;
  await remove(gone);
}

async function sweepCaches(
  folders: readonly string[],
  { cacheBytesMax, cacheKeepMs }: RepositorySettings,
  clock: Clock,
  swept: Swept,
  remove: Remove,
): Promise<void> {
  const caches = folders
    .filter((folder) => existsSync(cachePath(folder)))
    .map((folder) => ({
      folder,
      bytes: cacheBytes(folder),
      usedMs: statSync(cachePath(folder), { throwIfNoEntry: false })?.mtimeMs ?? 0,
    }))
    .toSorted((a, b) => a.usedMs - b.usedMs);
  let bytes = caches.reduce((sum, cache) => sum + cache.bytes, 0);
  for (const cache of caches) {
    if (bytes <= cacheBytesMax && cache.usedMs >= clock.wallMs() - cacheKeepMs) continue;
    const lock = tryFolderLock(cacheLock(cache.folder), clock);
    if (!lock) continue;
    const gone = `${cache.folder}/${gonePrefix}${randomUUID()}`;
    if (existsSync(cachePath(cache.folder))) renameSync(cachePath(cache.folder), gone);
    lock.release();
    await remove(gone);
    bytes -= cache.bytes;
    swept.caches += 1;
  }
}

const namesIn = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
