/** Memory and processor time of other processes, from /proc: what the kernel says, not what they say. Linux only. */
import { readFileSync } from "node:fs";

/** Resident memory of a process, in MB (10^6 bytes). @throws Error when it is gone. */
export function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no resident memory: it is gone`);
  return (Number(kib) * 1_024) / 1e6;
}

/** Linux counts in ticks of 10 ms for user space (USER_HZ), whatever the kernel's own rate. */
const ticksPerSecond = 100;

/** Processor time that a process has used so far, in seconds, user and system. */
export function processorSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // proc(5): after the command in parentheses, user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export interface PeakWatch {
  /** The highest resident memory seen, in MB. */
  stop(): number;
}

/** Watches the memory of a process every 50 ms: short against the seconds that a burst of output lasts. */
export function watchPeak(pid: number): PeakWatch {
  let peak = residentMb(pid);
  const timer = setInterval(() => (peak = Math.max(peak, residentMb(pid))), 50);
  return {
    stop: () => {
      clearInterval(timer);
      return peak;
    },
  };
}
