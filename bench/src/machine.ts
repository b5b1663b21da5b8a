/** Where a result was taken: without it no figure means anything. Names hardware and versions, never a host. */
import { execFileSync } from "node:child_process";
import { cpus, loadavg, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

export interface Machine {
  cores: number;
  model: string;
  memoryGiB: number;
  kernel: string;
  /** 1, 5 and 15 minutes, before anything was started. */
  loadBefore: number[];
  /** More than a quarter of the cores were busy with something else. */
  busy: boolean;
  commit: string;
  /** The working tree differed from the commit. */
  dirty: boolean;
  versions: { node: string; nats: string; postgres: string };
}

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Reads it all; `versions` of the servers are filled in once they run. */
export function describeMachine(): Machine {
  const processors = cpus();
  const loadBefore = loadavg();
  return {
    cores: processors.length,
    model: processors[0]?.model.trim() ?? "unknown",
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `${process.platform} ${process.arch}`,
    loadBefore,
    busy: loadBefore[0]! > processors.length / 4,
    commit: git("rev-parse", "--short=12", "HEAD") || "unknown",
    dirty: git("status", "--porcelain", "--untracked-files=no") !== "",
    versions: { node: process.versions.node, nats: "?", postgres: "?" },
  };
}

/** Empty when this is no clone or git is missing. */
function git(...args: string[]): string {
  try {
    return execFileSync("git", args, {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "";
  }
}
