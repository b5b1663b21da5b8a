/**
 * One cgroup (version 2) by its files: who is in it, kill it, remove it. Knows no attempt; a cgroup that
 * is gone already is no error.
 */
import { readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";

export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "";
const isGone = (error: unknown): boolean => ["ENOENT", "ENODEV"].includes(codeOf(error));

/** Processes of a cgroup and of those that an agent made below it. */
export function membersOf(path: string): number[] {
  try {
    const own = readFileSync(`${path}/cgroup.procs`, "latin1").split("\n");
    return [...own.filter(Boolean).map(Number), ...childrenOf(path).flatMap(membersOf)];
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** Cgroups directly below. @throws when there is no such cgroup. */
export function childrenOf(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${path}/${entry.name}`);
}

/** Kills everything in it and below. */
export function killAll(path: string): void {
  try {
    writeFileSync(`${path}/cgroup.kill`, "1");
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** True when the cgroup is no more. One system call when it is empty, which is the usual case. */
export function remove(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    if (isGone(error)) return true;
    if (codeOf(error) !== "EBUSY") throw error;
  }
  try {
    if (isPopulated(path)) return false;
    // Empty, but an agent made cgroups below: from the inside out.
    return childrenOf(path).every(remove) && remove(path);
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
}

/** True when a process is in it or below. */
export function isPopulated(path: string): boolean {
  try {
    return /^populated 1$/m.test(readFileSync(`${path}/cgroup.events`, "latin1"));
  } catch (error) {
    if (isGone(error)) return false;
    throw error;
  }
}
