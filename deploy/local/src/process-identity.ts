// Owns the answer to "is this still the same process?". A pid alone cannot tell: after a crash or a reboot the number may
// belong to somebody else. Knows nothing about locks or servers.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** One process for as long as it lives: equal values mean the very same process, on this boot of this machine. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; compare for equality only. */
  readonly startedAt: string;
}

/** The identity of a living process, or undefined when no process has that pid (or it is a zombie). */
export function identify(pid: number): ProcessIdentity | undefined {
  // Zero and negative numbers mean process groups to kill(2); Postgres writes a negative pid while it runs standalone.
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const startedAt = process.platform === "linux" ? startOnLinux(pid) : startByPs(pid);
  return startedAt === undefined ? undefined : { pid, startedAt };
}

/** Whether exactly this process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startedAt === identity.startedAt;
}

/** Sends a signal to a pid; false when there is no such process. Other failures (no permission) are thrown. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
    throw error;
  }
}

function startOnLinux(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined; // no such process
  }
  // proc(5): the command (field 2) may hold spaces and parentheses, so count from the last ")": state is field 3 and
  // the start time, in clock ticks since boot, is field 22.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z") return undefined;
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return `${boot}:${fields[19] ?? ""}`;
}

function startByPs(pid: number): string | undefined {
  try {
    const output = execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      env: { ...process.env, LC_ALL: "C" },
    });
    return output.trim() || undefined;
  } catch {
    return undefined; // ps exits 1 when there is no such process
  }
}
