/**
 * Which process a number means: pids are used again, a pid with its start time is not. Linux only;
 * elsewhere a process is known by its pid alone.
 */
import { readFileSync } from "node:fs";

export interface ProcessStat {
  pid: number;
  parent: number;
  group: number;
  session: number;
  /** Clock ticks since boot, as the kernel writes it; `0` where there is no /proc. */
  start: string;
  zombie: boolean;
  /** By a signal or a debugger. */
  stopped: boolean;
}

/** Null when there is no such process. */
export function processStat(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name may contain spaces and brackets; what follows the last bracket is regular.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return {
      pid,
      zombie: fields[0] === "Z" || fields[0] === "X",
      stopped: fields[0] === "T" || fields[0] === "t",
      parent: Number(fields[1]),
      group: Number(fields[2]),
      session: Number(fields[3]),
      start: fields[19] ?? "0",
    };
  } catch {
    return null;
  }
}

/** The start time of a live process; null when it is gone. */
export const startOf = (pid: number): string | null => {
  const stat = processStat(pid);
  if (stat) return stat.zombie ? null : stat.start;
  return process.platform === "linux" ? null : pidAnswers(pid) ? "0" : null;
};

function pidAnswers(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Signals one process or, with a negative number, a group; what is gone already is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
