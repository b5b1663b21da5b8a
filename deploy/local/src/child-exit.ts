// Owns ending a child process: ask, wait a bounded time, insist. Knows no service and no server.
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { signal } from "./process-identity.js";

/** One step of an ending: the signal, and how long (ms) to wait for it to work. */
export interface EndingStep {
  readonly signal: NodeJS.Signals;
  readonly waitMs: number;
}

/** SIGKILL needs no cooperation; a process that outlives it by this much (ms) hangs in the kernel, and waiting is no use. */
const KILL_WAIT_MS = 5_000;

export function hasExited(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Resolves when the child has exited, at once if it already has. */
export function exited(child: ChildProcess): Promise<void> {
  if (hasExited(child) || child.pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
  });
}

/** Sends each step's signal in turn until the child is gone, SIGKILL last. True when it went before SIGKILL. Idempotent. */
export async function end(child: ChildProcess, steps: readonly EndingStep[]): Promise<boolean> {
  for (const step of [...steps, { signal: "SIGKILL", waitMs: KILL_WAIT_MS } as const]) {
    if (hasExited(child) || child.pid === undefined) return true;
    signal(child.pid, step.signal);
    if (await exitedWithin(child, step.waitMs)) return step.signal !== "SIGKILL";
  }
  throw new Error(`process ${child.pid ?? "?"} survived SIGKILL for ${KILL_WAIT_MS} ms`);
}

async function exitedWithin(child: ChildProcess, waitMs: number): Promise<boolean> {
  const cancel = new AbortController();
  const timeout = delay(waitMs, false, { signal: cancel.signal }).catch(() => false);
  const inTime = await Promise.race([exited(child).then(() => true), timeout]);
  cancel.abort();
  return inTime;
}
