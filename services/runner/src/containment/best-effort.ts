/**
 * Trees without cgroups: an own session and process group, a marker in the environment, and looks at
 * the process table. The lifeline is a directory; a process that does not find it does not start.
 */
import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { signalProcess } from "../process-identity.js";
import { identityOf, markerName, seeProcesses, treeMembers } from "./process-table.js";
import type { SeenProcess } from "./process-table.js";
import type { StartSpec } from "../core/shell-orders.js";
import { LifelineGone, spawnBehind } from "./tree.js";
import type { Tree, Trees } from "./tree.js";

const joinScript = '[ -d "$0" ] || exit 119; exec "$@"';
/** How often live trees are looked at to remember who belongs to them: a look costs about 5 ms for 300 processes. */
const lookEveryMs = 2_000;

interface OpenTree {
  mark: string;
  firstPid: number;
  known: Set<string>;
}

/** Trees of the incarnation whose lifeline is the directory at `path`. */
export function bestEffortTrees(path: string, incarnation: string): Trees {
  const open = new Set<OpenTree>();
  const remember = (all: readonly SeenProcess[], tree: OpenTree): SeenProcess[] => {
    const members = treeMembers(all, (mark) => mark === tree.mark, tree.firstPid, tree.known);
    tree.known = new Set(members.map(identityOf));
    return members;
  };
  // One look serves every attempt that asks while it is due: at 500 ends a second a look each would
  // cost more than the runs.
  let look: Promise<SeenProcess[]> | null = null;
  const nextLook = (): Promise<SeenProcess[]> =>
    (look ??= new Promise((resolve) =>
      setTimeout(() => {
        look = null;
        resolve(seeProcesses());
      }, 20),
    ));
  const looking = setInterval(() => {
    if (open.size === 0) return;
    const all = seeProcesses();
    for (const tree of open) remember(all, tree);
  }, lookEveryMs);
  looking.unref();
  return {
    kind: "best_effort",
    // A waiting process could not carry the mark of an attempt that is not known yet.
    spareCount: 0,
    open: (runId, attempt, spec) => {
      if (!existsSync(path)) throw new LifelineGone(`no lifeline ${path}`);
      const tree = {
        mark: `${incarnation}.${runId}.${attempt}`,
        firstPid: 0,
        known: new Set<string>(),
      };
      open.add(tree);
      return openTree(path, tree, spec, {
        members: () => remember(seeProcesses(), tree),
        later: async () => remember(await nextLook(), tree),
        released: () => void open.delete(tree),
      });
    },
    retire: () => undefined,
    close: () => clearInterval(looking),
  };
}

interface Looks {
  members(): SeenProcess[];
  later(): Promise<SeenProcess[]>;
  released(): void;
}

function openTree(path: string, tree: OpenTree, spec: StartSpec, looks: Looks): Tree {
  let child: ChildProcess | null = null;
  const signalAll = (signal: NodeJS.Signals): void => {
    const members = looks.members();
    // By pid first: the group's number may name strangers once its last process is gone.
    for (const one of members) signalProcess(one.pid, signal);
    if (!members.some((one) => one.pid === tree.firstPid)) child?.kill(signal);
    if (process.platform !== "linux" && tree.firstPid > 0) signalProcess(-tree.firstPid, signal);
  };
  return {
    spare: false,
    start: () => {
      child = spawnBehind(["/bin/sh", "-c", joinScript, path], spec, { [markerName]: tree.mark });
      tree.firstPid = child.pid ?? 0;
      return child;
    },
    signal: signalAll,
    kill: () => signalAll("SIGKILL"),
    gone: async () => {
      if ((await looks.later()).length > 0) return false;
      looks.released();
      return true;
    },
  };
}

/** Makes the lifeline's directory. */
export const makeLifeline = (path: string): void => void mkdirSync(path, { recursive: true });

/**
 * Removes the lifeline, then kills what carries the incarnation's mark until two looks in a row find
 * nothing: a process between its look at the lifeline and its `exec` is found by the second.
 */
export async function cutLifeline(path: string, incarnation: string): Promise<void> {
  rmSync(path, { recursive: true, force: true });
  let known = new Set<string>();
  for (let quiet = 0; quiet < 2;) {
    const members = treeMembers(
      seeProcesses(),
      (mark) => mark.startsWith(`${incarnation}.`),
      0,
      known,
    );
    known = new Set(members.map(identityOf));
    for (const one of members) signalProcess(one.pid, "SIGKILL");
    quiet = members.length === 0 ? quiet + 1 : 0;
    await new Promise<void>((resume) => setTimeout(resume, 10));
  }
}

/** Lifelines below `folder`, by path; none when there is no folder. */
export function bestEffortLifelines(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.startsWith("reveille-"))
    .map((name) => `${folder}/${name}`);
}
