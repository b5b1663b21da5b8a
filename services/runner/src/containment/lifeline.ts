/**
 * The lifeline of an incarnation: the one thing without which none of its processes comes to life. Its
 * guard makes it, under a name that says who the guard is, and cuts it; a later runner of the same
 * place finds by the name what a dead guard left behind.
 */
import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import type { Logger } from "@reveille/shared/runtime/log";
import { processStat, startOf } from "../process-identity.js";
import { bestEffortLifelines, bestEffortTrees, cutLifeline, makeLifeline } from "./best-effort.js";
import { cgroupLifelines, cgroupTrees, cutCgroup, usableCgroup } from "./cgroup.js";
import type { ContainmentKind, Trees } from "./tree.js";

export interface Lifeline {
  kind: ContainmentKind;
  path: string;
}
export type ContainmentWish = ContainmentKind | "auto";

/** Where lifelines without cgroups are, below the runner's work folder. */
const lifelineFolder = (workDir: string): string => `${workDir}/.lifelines`;

/**
 * Makes the lifeline of an incarnation whose guard is this process.
 * @throws Error when a cgroup was asked for and none can be made.
 */
export async function makeOwnLifeline(
  wish: ContainmentWish,
  workDir: string,
  incarnation: string,
): Promise<Lifeline> {
  const name = `reveille-${incarnation}.${process.pid}.${startOf(process.pid) ?? "0"}`;
  const parent = wish === "best_effort" ? null : await usableCgroup();
  if (parent !== null) {
    const path = `${parent}/${name}`;
    mkdirSync(path);
    return { kind: "cgroup", path };
  }
  if (wish === "cgroup")
    throw new Error(
      "no cgroup (version 2) can be made and killed here: delegate one to the runner, " +
        "or set REVEILLE_RUNNER_CONTAINMENT=best_effort",
    );
  const path = `${lifelineFolder(workDir)}/${name}`;
  makeLifeline(path);
  return { kind: "best_effort", path };
}

/** `sparesMax`: processes that wait for a start; only cgroups hold them. */
export const treesOf = (
  lifeline: Lifeline,
  incarnation: string,
  sparesMax: number,
  logger: Logger,
): Trees =>
  lifeline.kind === "cgroup"
    ? cgroupTrees(lifeline.path, sparesMax, logger)
    : bestEffortTrees(lifeline.path, incarnation);

/** Kills every process of the incarnation; resolves when none is left and none can start. */
export const cut = (lifeline: Lifeline, incarnation: string): Promise<void> =>
  lifeline.kind === "cgroup" ? cutCgroup(lifeline.path) : cutLifeline(lifeline.path, incarnation);

/** Where the lifelines of a runner and of its neighbours are; a port. */
export interface Place {
  /** All of them, with what became of their guards. */
  find: () => FoundLifeline[];
  /** Cuts these, one after the other, each within a limit. */
  cutAll: (found: readonly FoundLifeline[]) => Promise<Sweep>;
}
export async function placeOf(workDir: string): Promise<Place> {
  const cgroup = await usableCgroup();
  return { find: () => findLifelines(cgroup, workDir), cutAll };
}

export interface FoundLifeline {
  incarnation: string;
  lifeline: Lifeline;
  /** `stopped`: by a signal, so it can kill nothing. */
  guard: "alive" | "stopped" | "gone";
}
export interface Sweep {
  /** Incarnations of which nothing is left now. */
  swept: string[];
  /** Lifelines that could not be cut, each with the reason. */
  stuck: string[];
}
/** For each dead incarnation. A killed process is gone in milliseconds, unless its disk hangs. */
const sweepLimitMs = 10_000;

/** `cgroup`: below which they are made; null where none can be made. */
function findLifelines(cgroup: string | null, workDir: string): FoundLifeline[] {
  const lifeline =
    (kind: ContainmentKind) =>
    (path: string): Lifeline => ({ kind, path });
  const found = [
    ...(cgroup === null ? [] : cgroupLifelines(cgroup)).map(lifeline("cgroup")),
    ...bestEffortLifelines(lifelineFolder(workDir)).map(lifeline("best_effort")),
  ];
  return found.flatMap((one) => {
    const [incarnation, pid, start] = basename(one.path).slice("reveille-".length).split(".");
    if (!incarnation) return [];
    const alive = startOf(Number(pid)) === start;
    const guard = !alive ? "gone" : processStat(Number(pid))?.stopped ? "stopped" : "alive";
    return [{ incarnation, lifeline: one, guard }];
  });
}

/** Cuts the lifelines whose guards are dead. Somebody else's, or an immortal one, is only told. */
export const sweepLeftovers = (place: Place): Promise<Sweep> =>
  place.cutAll(place.find().filter(({ guard }) => guard === "gone"));

async function cutAll(found: readonly FoundLifeline[]): Promise<Sweep> {
  const sweep: Sweep = { swept: [], stuck: [] };
  for (const { incarnation, lifeline } of found) {
    const problem = await withinLimit(cut(lifeline, incarnation));
    if (problem === null) sweep.swept.push(incarnation);
    else sweep.stuck.push(`${lifeline.path}: ${problem}`);
  }
  return sweep;
}

/** Null when the work was done in time, else why not. */
async function withinLimit(work: Promise<void>): Promise<string | null> {
  let limit: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    limit = setTimeout(() => resolve("its processes do not die"), sweepLimitMs);
  });
  const done = work.then(
    () => null,
    (error: Error) => error.message,
  );
  const problem = await Promise.race([done, late]);
  clearTimeout(limit);
  return problem;
}
