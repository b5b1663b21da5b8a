/**
 * A working tree of a repository: a folder with a git repository of its own, whose objects are hard links
 * into the cache where the disk allows it. Not `git worktree`: trees of one repository would share settings,
 * branches and locks, so that one agent could change what another one's git runs, and the cache could never
 * be thrown away. A tree appears under its name complete, or not at all.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { z } from "zod";
import { cachePath } from "./cache.js";
import { tokenHelper } from "./git.js";
import type { Git } from "./git.js";
import { branchOf } from "./policy.js";

export const treePath = (folder: string, key: string): string => `${folder}/trees/${key}`;
export const treeLock = (folder: string, key: string): string => `${folder}/locks/${key}`;
/** Of trees on their way in and out; no key begins with a dot. */
export const draftPrefix = ".new-";
export const gonePrefix = ".gone-";

const stateSchema = z.object({
  repoUrl: z.string(),
  repoRef: z.string().nullable(),
  /** What it began with. */
  commit: z.string(),
  runId: z.string(),
  agentId: z.string(),
  /** `working`: a run is in it, or was when its runner died. Only `clean` and `pushed` may be removed. */
  work: z.enum(["working", "clean", "pushed", "kept"]),
  /** What its branch of the repository was left at, by name; it is ours to move from there. */
  pushed: z.record(z.string(), z.string()).default({}),
  /** Unix time. */
  atMs: z.number(),
});
/** Beside the tree, not in it: what an agent does there must not change what is known of it. */
export type TreeState = z.infer<typeof stateSchema>;

/** Null: nothing is known, so it is to be kept. */
export function readTreeState(folder: string, key: string): TreeState | null {
  try {
    const read = stateSchema.safeParse(JSON.parse(readFileSync(statePath(folder, key), "utf8")));
    return read.success ? read.data : null;
  } catch {
    return null; // not there, or no JSON
  }
}

export function writeTreeState(folder: string, key: string, state: TreeState): void {
  const draft = `${statePath(folder, key)}.draft`;
  writeFileSync(draft, JSON.stringify(state), { mode: 0o600 });
  renameSync(draft, statePath(folder, key));
}
const statePath = (folder: string, key: string): string => `${folder}/trees/${key}.json`;

/** Copies the cache into a draft of the tree; wants the locks of both. @throws GitFailed */
export async function draftTree(git: Git, folder: string, key: string): Promise<string> {
  const draft = `${folder}/trees/${draftPrefix}${key}`;
  mkdirSync(`${folder}/trees`, { recursive: true, mode: 0o700 });
  rmSync(draft, { recursive: true, force: true });
  const options = ["--local", "--no-checkout", "--quiet", "--template="];
  await git(["clone", ...options, "--", cachePath(folder), draft], { cwd: folder });
  return draft;
}

/** Fills the draft with the files of its commit, and gives it its name. Wants the tree's lock. @throws GitFailed */
export async function finishTree(
  git: Git,
  folder: string,
  key: string,
  draft: string,
  agentName: string,
  state: TreeState,
): Promise<void> {
  const { origin, url } = git.address;
  const settings = [
    ["remote.origin.url", url],
    ["user.name", agentName.replaceAll(/[<>\n\0]/g, " ").trim() || "agent"],
    ["user.email", `${state.agentId}@agents.reveille.invalid`],
    // It reads the agent's own variable: the file holds no secret.
    ...(origin === null ? [] : [[`credential.${origin}.helper`, tokenHelper]]),
  ];
  for (const [name, value] of settings) await git(["config", "--", name!, value!], { cwd: draft });
  const branch = branchOf(key);
  await git(["checkout", "--quiet", "--no-track", "-B", branch, state.commit, "--"], {
    cwd: draft,
  });
  writeTreeState(folder, key, state);
  renameSync(draft, treePath(folder, key));
}

/** Lock files of a git that was killed with its run; wants the tree's lock. */
export function removeLeftLocks(tree: string): void {
  for (const name of ["index.lock", "HEAD.lock", "config.lock"])
    rmSync(`${tree}/.git/${name}`, { force: true });
}

/** Takes the tree's name away at once; what is under the answered path can be removed at leisure. Wants its lock. */
export function retireTree(folder: string, key: string, unique: string): string | null {
  const tree = treePath(folder, key);
  rmSync(statePath(folder, key), { force: true });
  if (!existsSync(tree)) return null;
  const gone = `${folder}/trees/${gonePrefix}${unique}`;
  renameSync(tree, gone);
  return gone;
}
