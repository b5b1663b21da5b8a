/**
 * A folder for one attempt, which no other attempt knows and which goes with it. What a runner that was
 * killed has left is removed once no attempt can be alive any more that old.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Logger } from "@reveille/shared/runtime/log";

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

/** Names a file that is not there yet, beside these folders, for a process to write: an absolute path. */
export function privateFile(workDir: string, runId: string, attempt: number): string {
  const parent = parentOf(workDir);
  if (!existsSync(parent)) mkdirSync(parent, { recursive: true, mode: 0o700 });
  // Random beside the run's own id: nobody writes there by accident, or before its time.
  return `${parent}/${runId}.${attempt}.${randomUUID()}`;
}

/** Writes such a file, for its owner alone: what a process reads as its standard input. */
export function writePrivateFile(
  workDir: string,
  runId: string,
  attempt: number,
  text: string,
): string {
  const path = privateFile(workDir, runId, attempt);
  writeFileSync(path, text, { mode: 0o600, flag: "wx" });
  return path;
}

/** Removes such a file if it has come to be. Never rejects. */
export async function removePrivateFile(path: string, logger: Logger): Promise<void> {
  if (existsSync(path)) await removePrivateFolder(path, logger);
}

/**
 * Never rejects: what cannot be removed (the agent may have taken our rights away) stays, and is told.
 * Not at once: how much is in it is the agent's doing, and nobody else must wait for it.
 */
export const removePrivateFolder = (path: string, logger: Logger): Promise<void> =>
  rm(path, { recursive: true, force: true }).catch((error: unknown) =>
    logger.warn({ err: error, path }, "an attempt's folder stays behind"),
  );

/** Removes what is older than any living attempt. `nowMs`: Unix time. */
export async function sweepPrivateFolders(
  workDir: string,
  nowMs: number,
  logger: Logger,
): Promise<void> {
  const parent = parentOf(workDir);
  if (!statSync(parent, { throwIfNoEntry: false })) return;
  for (const name of readdirSync(parent)) {
    const path = `${parent}/${name}`;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat && stat.mtimeMs < nowMs - leftoverMs) await removePrivateFolder(path, logger);
  }
}
