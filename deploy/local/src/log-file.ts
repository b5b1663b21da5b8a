// Owns the files that child processes write their output to. A child gets the open file itself, so its output survives our death
// and costs us nothing; the price is that a file is bounded when it is opened, not while it grows.
import { mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";

/** Beyond this a file moves to `<name>.1` when it is next opened, replacing the one before: two files a process at most. */
const ROTATE_BYTES = 8 * 1024 * 1024;

/** Opens a log for appending (mode 0600) and returns the descriptor, which the caller closes. */
export function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size > ROTATE_BYTES) renameSync(file, `${file}.1`);
  return openSync(file, "a", 0o600);
}

/** The last `lines` lines, for error messages; empty when there is no file. */
export function tailOf(file: string, lines: number): string {
  if (!statSync(file, { throwIfNoEntry: false })) return "";
  return readFileSync(file, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
}
