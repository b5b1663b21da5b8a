/**
 * A folder for one attempt, which no other attempt knows and which goes with it. What a runner that was
 * killed has left is removed once no attempt can be alive any more that old.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";

/** A run lasts 24 days at most (`REVEILLE_RUNNER_TIMEOUT_SEC_DEFAULT`, and what a timer holds). */
const leftoverMs = 25 * 24 * 3_600_000;
/** Homes of agents are named by UUIDs, so this is none. */
const parentOf = (workDir: string): string => `${workDir}/.attempts`;

/** Makes the folder: absolute path, for its owner alone. */
export function makePrivateFolder(workDir: string, runId: string, attempt: number): string {
  const parent = parentOf(workDir);
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  return mkdtempSync(`${parent}/${runId}.${attempt}.`);
}

/** Also when the agent has taken its rights away or filled it; what cannot be removed stays. */
export const removePrivateFolder = (path: string): void =>
  rmSync(path, { recursive: true, force: true, maxRetries: 2, retryDelay: 10 });

/** Removes what is older than any living attempt. `nowMs`: Unix time. */
export function sweepPrivateFolders(workDir: string, nowMs: number): void {
  const parent = parentOf(workDir);
  if (!statSync(parent, { throwIfNoEntry: false })) return;
  for (const name of readdirSync(parent)) {
    const stat = statSync(`${parent}/${name}`, { throwIfNoEntry: false });
    if (stat && stat.mtimeMs < nowMs - leftoverMs) removePrivateFolder(`${parent}/${name}`);
  }
}
