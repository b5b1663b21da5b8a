/**
 * The lifeline of an incarnation: the one thing without which none of its processes comes to life. Its
 * guard makes it, under a name that says who the guard is, and cuts it; a later runner of the same
 * place finds by the name what a dead guard left behind.
 */
import { mkdirSync } from "node:fs";
import { basename } from "node:path";
import { startOf } from "../process-identity.js";
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

export const treesOf = (lifeline: Lifeline, incarnation: string): Trees =>
  lifeline.kind === "cgroup"
    ? cgroupTrees(lifeline.path)
    : bestEffortTrees(lifeline.path, incarnation);

/** Kills every process of the incarnation; resolves when none is left and none can start. */
export const cut = (lifeline: Lifeline, incarnation: string): Promise<void> =>
  lifeline.kind === "cgroup" ? cutCgroup(lifeline.path) : cutLifeline(lifeline.path, incarnation);

/** Cuts the lifelines whose guards are dead; answers their incarnations. */
export async function sweepLeftovers(workDir: string): Promise<string[]> {
  const parent = await usableCgroup();
  const found: Lifeline[] = [
    ...(parent === null ? [] : cgroupLifelines(parent)).map((path): Lifeline => ({
      kind: "cgroup",
      path,
    })),
    ...bestEffortLifelines(lifelineFolder(workDir)).map((path): Lifeline => ({
      kind: "best_effort",
      path,
    })),
  ];
  const swept: string[] = [];
  for (const lifeline of found) {
    const [incarnation, pid, start] = basename(lifeline.path).slice("reveille-".length).split(".");
    if (!incarnation || startOf(Number(pid)) === start) continue;
    await cut(lifeline, incarnation);
    swept.push(incarnation);
  }
  return swept;
}
