/**
 * Finding the processes of an attempt without a cgroup: by a marker in their environment, by process
 * group and session, by their parents, and by what earlier looks have seen. A process that cleared its
 * environment, left group and session, and lost its parent between two looks is not found: this is why
 * it is called best effort. Reads /proc; where there is none, the process group is all there is.
 */
import { readFileSync, readdirSync } from "node:fs";
import { processStat } from "../process-identity.js";
import type { ProcessStat } from "../process-identity.js";

/** Name of the variable that marks every process of an attempt; its value is `<incarnation>.<run>.<attempt>`. */
export const markerName = "REVEILLE_ATTEMPT_MARK";

export interface SeenProcess extends ProcessStat {
  /** Value of the marker, when the environment can be read and has one. */
  mark: string | null;
}

/** All live processes that this user may look at. */
export function seeProcesses(): SeenProcess[] {
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return []; // no /proc on this system
  }
  const seen: SeenProcess[] = [];
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    const stat = processStat(Number(name));
    if (stat && !stat.zombie) seen.push({ ...stat, mark: markOf(stat.pid) });
  }
  return seen;
}

function markOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/environ`, "latin1");
    const at = text.indexOf(`${markerName}=`);
    if (at < 0 || (at > 0 && text[at - 1] !== "\0")) return null;
    const from = at + markerName.length + 1;
    const end = text.indexOf("\0", from);
    return text.slice(from, end < 0 ? undefined : end);
  } catch {
    return null; // gone meanwhile, or somebody else's
  }
}

/** Key of a process that survives the reuse of its pid. */
export const identityOf = (one: ProcessStat): string => `${one.pid}:${one.start}`;

/**
 * Of all processes, those of one tree: marked, in the group or session of the first process, known
 * from an earlier look, or a descendant of such a one.
 */
export function treeMembers(
  all: readonly SeenProcess[],
  isMarked: (mark: string) => boolean,
  firstPid: number,
  known: ReadonlySet<string>,
): SeenProcess[] {
  const members = new Map<number, SeenProcess>();
  for (const one of all)
    if (
      (one.mark !== null && isMarked(one.mark)) ||
      (firstPid > 0 && (one.group === firstPid || one.session === firstPid)) ||
      known.has(identityOf(one))
    )
      members.set(one.pid, one);
  for (let grown = true; grown;) {
    grown = false;
    for (const one of all)
      if (!members.has(one.pid) && members.has(one.parent)) {
        members.set(one.pid, one);
        grown = true;
      }
  }
  return [...members.values()];
}
