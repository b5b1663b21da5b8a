/**
 * Which file a command means, found before anything is started: the shell that joins the tree would
 * say it less clearly, with exit codes of its own.
 */
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";

export type FoundCommand = { ok: true; path: string } | { ok: false; reason: string };

/**
 * The absolute path of a command: as it is when it names a path (below `cwd` when relative), else the
 * first executable of that name in `pathVariable`. The reason is complete and for people.
 */
export function findCommand(command: string, cwd: string, pathVariable: string): FoundCommand {
  const start = `Failed to start command "${command}" in "${cwd}".`;
  if (!isDirectory(cwd))
    return { ok: false, reason: `${start} The working directory does not exist.` };
  if (command.includes("\0")) return { ok: false, reason: `${start} The command contains NUL.` };
  const candidates = command.includes("/")
    ? [resolve(cwd, command)]
    : pathVariable
        .split(":")
        .map((folder) => join(isAbsolute(folder) ? folder : resolve(cwd, folder), command));
  let denied = false;
  for (const path of candidates) {
    const state = executable(path);
    if (state === "yes") return { ok: true, path };
    if (state === "denied") denied = true;
  }
  return denied
    ? { ok: false, reason: `${start} Permission denied: it is not an executable file.` }
    : {
        ok: false,
        reason: `${start} Verify adapter command, working directory, and PATH (${pathVariable}).`,
      };
}

function executable(path: string): "yes" | "denied" | "missing" {
  try {
    if (!statSync(path).isFile()) return "denied";
    accessSync(path, constants.X_OK);
    return "yes";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? "denied" : "missing";
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
