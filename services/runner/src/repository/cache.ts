/**
 * The bare copy of a repository that all working trees of a runner's machine are made from. Every function
 * wants the copy's lock to be held. Whatever a crash leaves is mended or thrown away by the next one: nothing
 * in here is anybody's work.
 */
import { existsSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@reveille/shared/runtime/clock";
import { GitFailed } from "./git.js";
import type { Git } from "./git.js";

/** What a repository's folder holds. */
export const cachePath = (folder: string): string => `${folder}/cache.git`;
export const cacheLock = (folder: string): string => `${folder}/locks/cache`;
/** The remote's default branch, as it was at the last look. */
export const headRef = "refs/reveille/head";

/** Words of git about a copy that cannot be used any more: it is made again then. */
const broken =
  /not a git repository|bad object|corrupt|missing (blob|tree|commit)|unable to read|unable to find|invalid (pack|object|sha1)|did not send all necessary objects|loose object|bad config|cannot lock ref/i;

/** Brings the copy up to date with its repository, making it where there is none. @throws GitFailed */
export async function updateCache(git: Git, folder: string, clock: Clock): Promise<void> {
  try {
    await fetchAll(git, folder);
  } catch (error) {
    if (!(error instanceof GitFailed) || !broken.test(error.message)) throw error;
    rmSync(cachePath(folder), { recursive: true, force: true });
    await fetchAll(git, folder);
  }
  // Its age is that of its last use.
  utimesSync(cachePath(folder), clock.wallMs() / 1_000, clock.wallMs() / 1_000);
}

async function fetchAll(git: Git, folder: string): Promise<void> {
  const gitDir = await ensureCache(git, folder);
  const refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", `+HEAD:${headRef}`];
  const options = ["--prune", "--force", "--no-tags", "--quiet", "--no-write-fetch-head"];
  await git(["fetch", ...options, "--", git.address.url, ...refs], {
    cwd: folder,
    gitDir,
    remote: true,
  });
}

/** Answers its path. @throws GitFailed */
export async function ensureCache(git: Git, folder: string): Promise<string> {
  const path = cachePath(folder);
  if (existsSync(`${path}/HEAD`)) {
    removeLeftLocks(path);
    return path;
  }
  const draft = `${folder}/cache.new`;
  for (const old of [draft, path]) rmSync(old, { recursive: true, force: true });
  await git(["init", "--bare", "--quiet", "--template=", "--", draft], { cwd: folder });
  renameSync(draft, path);
  return path;
}

/**
 * The commit that a name means: a branch, else a tag, else a commit. Without a name the default branch's.
 * Null: there is no such thing. @throws GitFailed
 */
export async function resolveRef(
  git: Git,
  folder: string,
  ref: string | null,
): Promise<string | null> {
  const gitDir = cachePath(folder);
  const names = ref === null ? [headRef] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  if (ref?.startsWith("refs/")) names.unshift(ref);
  for (const name of names) {
    const found = await commitOf(git, folder, name);
    if (found !== null) return found;
  }
  if (ref === null || !/^[0-9a-f]{7,64}$/.test(ref)) return null;
  const known = await commitOf(git, folder, ref);
  if (known !== null || !/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(ref)) return known;
  // In no branch any more; many hosts give it to who knows its name.
  const options = ["--no-tags", "--quiet", "--no-write-fetch-head"];
  const call = { cwd: folder, gitDir, remote: true };
  const asked = await git(["fetch", ...options, "--", git.address.url, ref], call).catch(noAnswer);
  return asked === null ? null : commitOf(git, folder, ref);
}

async function commitOf(git: Git, folder: string, name: string): Promise<string | null> {
  const args = ["rev-parse", "--verify", "--quiet", "--end-of-options", `${name}^{commit}`];
  const found = await git(args, { cwd: folder, gitDir: cachePath(folder) }).catch(noAnswer);
  return found === null ? null : found.trim();
}

/** For questions whose failure is an answer. @throws what is no failure of git. */
export function noAnswer(error: unknown): null {
  if (error instanceof GitFailed) return null;
  throw error;
}

/** Git's own lock files, whose makers are dead: the lock of the copy is ours. And what a broken transfer has left. */
function removeLeftLocks(path: string): void {
  const left = [
    ...namesIn(path).filter((name) => name.endsWith(".lock")),
    ...namesIn(join(path, "refs"), true)
      .filter((name) => name.endsWith(".lock"))
      .map((name) => `refs/${name}`),
    ...namesIn(join(path, "objects/pack"))
      .filter((name) => name.startsWith("tmp_"))
      .map((name) => `objects/pack/${name}`),
  ];
  for (const name of left) rmSync(join(path, name), { force: true });
}

const namesIn = (path: string, recursive = false): string[] =>
  existsSync(path) ? (readdirSync(path, { recursive, encoding: "utf8" }) as string[]) : [];

/** Bytes that the copy takes, nearly: nearly all of it is in packs. */
export const cacheBytes = (folder: string): number => {
  const packs = join(cachePath(folder), "objects/pack");
  return namesIn(packs)
    .map((name) => statSync(join(packs, name), { throwIfNoEntry: false })?.size ?? 0)
    .reduce((sum, bytes) => sum + bytes, 0);
};
