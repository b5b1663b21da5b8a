/**
 * The processes of one attempt, held together as a whole: how they are started, signalled, and known
 * to be gone. Two makers: `cgroup.ts` (certain) and `best-effort.ts` (where no cgroup may be made).
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { pause } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { StartSpec } from "../core/shell-orders.js";

export type ContainmentKind = "cgroup" | "best_effort";

/** The guard cut the incarnation's lifeline: nothing may be started any more. */
export class LifelineGone extends Error {
  override readonly name = "LifelineGone";
}

/** One output of a process, as far as a run needs it. */
export interface OutputPipe {
  on(event: "data", listener: (chunk: Buffer) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  once(event: "close", listener: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
  destroy(): unknown;
}
/** The first process of a tree, as far as a run needs it; a real one is a `ChildProcess`. */
export interface FirstProcess {
  readonly pid?: number | undefined;
  readonly stdout: OutputPipe | null;
  readonly stderr: OutputPipe | null;
  once(event: "error", listener: (error: Error) => void): unknown;
  once(
    event: "exit",
    listener: (code: number | null, signal: NodeJS.Signals | null) => void,
  ): unknown;
}

export interface Tree {
  /** True when its first process waits already, and only has to be told what to become. */
  readonly spare: boolean;
  /**
   * Starts the first process, once. It joins the tree before it becomes the command, or ends with code
   * 119 when the tree is gone. @throws Error when nothing can be started (NUL in an argument, too long).
   */
  start(): FirstProcess;
  /** Sends a signal to every process of the tree that can be seen now. */
  signal(signal: "SIGTERM"): void;
  kill(): void;
  /**
   * True when no process of the tree is left; what held it is then released. Only ask after the first
   * process has ended.
   */
  gone(): Promise<boolean> | boolean;
}

/** Makes the trees of one incarnation. */
export interface Trees {
  readonly kind: ContainmentKind;
  /** Processes that wait to become somebody's first one. */
  readonly spareCount: number;
  /** A tree for one process. @throws LifelineGone */
  open(runId: string, attempt: number, spec: StartSpec): Tree;
  /** No start is to come: what waits for one ends. Repeatable. */
  retire(): void;
  close(): void;
}

/** Starts `launcher` with the command behind it. Its own session and group: a terminal's signals to us are not for it. */
export function spawnBehind(
  launcher: readonly string[],
  spec: StartSpec,
  added: Readonly<Record<string, string>> = {},
): ChildProcess {
  const input = spec.inputPath === undefined ? null : openSync(spec.inputPath, "r");
  try {
    return spawn(launcher[0]!, [...launcher.slice(1), spec.path, ...spec.args], {
      cwd: spec.cwd,
      env: { ...spec.env, ...added },
      detached: true,
      stdio: [input ?? "ignore", "pipe", "pipe"],
    });
  } finally {
    if (input !== null) closeSync(input);
  }
}

/** What is left of a tree whose first process has ended. */
export interface Leftovers {
  /** Nobody has told them to end yet. */
  tellThem: boolean;
  /** SIGKILL after this; 0: at once. */
  killAfterMs: number;
  /** Called every 30 s while something does not die. */
  onStuck: () => void;
}

/**
 * Resolves when the tree is gone. Looks again for ever, because "finished" must not be said of
 * something alive.
 */
export async function untilGone(tree: Tree, clock: Clock, leftovers: Leftovers): Promise<void> {
  if (await tree.gone()) return;
  if (leftovers.tellThem) tree.signal("SIGTERM");
  const began = clock.monotonicMs();
  let stuckAt = began + 30_000;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    const now = clock.monotonicMs();
    if (now >= began + leftovers.killAfterMs) tree.kill();
    if (now >= stuckAt) {
      stuckAt = now + 30_000;
      leftovers.onStuck();
    }
    await pause(clock, pauseMs);
    if (await tree.gone()) return;
  }
}
