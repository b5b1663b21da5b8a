/**
 * Trees as cgroups (version 2): one parent per incarnation, made and removed by its guard, one child
 * per attempt. A process joins before it becomes the command, so nothing of it is ever outside; when
 * the parent is gone, joining fails and nothing starts. `cgroup.kill` reaches every descendant,
 * whatever sessions and groups it made.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Logger } from "@reveille/shared/runtime/log";
import { ownCgroupDirectory } from "../core/cgroup-path.js";
import { signalProcess } from "../process-identity.js";
import { childrenOf, codeOf, killAll, membersOf, remove } from "./cgroup-files.js";
import { createSpares } from "./spares.js";
import type { Spare } from "./spares.js";
import { LifelineGone, spawnBehind } from "./tree.js";
import type { Tree, Trees } from "./tree.js";

/** `$0` is the file to join by; 119 is no code that a shell or `exec` uses itself. */
const joinScript = 'echo 0 2>/dev/null >"$0" || exit 119; exec "$@"';

/** Trees below the parent at `path`; of `sparesMax` the first process waits already. */
export function cgroupTrees(path: string, sparesMax: number, logger: Logger): Trees {
  const spares = createSpares(path, sparesMax, logger);
  return {
    kind: "cgroup",
    get spareCount() {
      return spares.count;
    },
    open: (runId, attempt, spec) => {
      const spare = spares.take(spec);
      if (spare) return treeAt(spare.path, spare, () => spare.start());
      const own = makeCgroup(`${path}/${runId}.${attempt}`);
      const launcher = ["/bin/sh", "-c", joinScript, `${own}/cgroup.procs`];
      return treeAt(own, null, () => spawnBehind(launcher, spec));
    },
    retire: () => spares.close(),
    close: () => spares.close(),
  };
}

/** @throws LifelineGone */
function makeCgroup(path: string): string {
  try {
    mkdirSync(path);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw new LifelineGone(`no cgroup ${path}`, { cause: error });
  }
  return path;
}

function treeAt(path: string, spare: Spare | null, start: () => ChildProcess): Tree {
  let child: ChildProcess | null = null;
  // Until it has joined, the first process is in no list of the cgroup.
  const signalFirst = (signal: NodeJS.Signals): void => void child?.kill(signal);
  return {
    spare: spare !== null,
    start: () => (child = start()),
    signal: (signal) => {
      const members = membersOf(path);
      if (!members.includes(child?.pid ?? 0)) signalFirst(signal);
      for (const pid of members) signalProcess(pid, signal);
    },
    kill: () => {
      killAll(path);
      signalFirst("SIGKILL");
    },
    gone: () => remove(path),
  };
}

/** Kills everything below `path` and removes it; resolves when it is gone. Repeatable. */
export async function cutCgroup(path: string): Promise<void> {
  for (let pause = 1; ; pause = Math.min(pause * 2, 50)) {
    killAll(path);
    if (remove(path)) return;
    await new Promise<void>((resume) => setTimeout(resume, pause));
  }
}

/** Cgroups of incarnations of this place, by their names. */
export function cgroupLifelines(parent: string): string[] {
  return childrenOf(parent).filter((path) => basename(path).startsWith("reveille-"));
}

/** The directory below which cgroups may be made and killed; null where they may not. */
export async function usableCgroup(): Promise<string | null> {
  try {
    const parent = ownCgroupDirectory(
      readFileSync("/proc/self/mountinfo", "utf8"),
      readFileSync("/proc/self/cgroup", "utf8"),
    );
    if (parent === null) return null;
    const probe = `${parent}/reveille.probe.${process.pid}`;
    mkdirSync(probe);
    return (await killWorks(probe)) ? parent : null;
  } catch {
    // Whatever forbids it (no /proc, read-only mount, no permission): there is no cgroup for us.
    return null;
  }
}

/** Starts a process in the cgroup, kills it through the cgroup, and looks how it ended. */
async function killWorks(path: string): Promise<boolean> {
  // It sleeps longer than we wait: ending by itself must not look like being killed.
  const script = 'echo 0 >"$0" && echo in && exec sleep 10';
  const child = spawn("/bin/sh", ["-c", script, `${path}/cgroup.procs`], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), 3_000);
  let killed = false;
  child.stdout.once("data", () => {
    killAll(path);
    killed = true;
  });
  const signal = await new Promise<string | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("exit", (_, by) => resolve(by));
  });
  clearTimeout(limit);
  return remove(path) && killed && signal === "SIGKILL";
}
