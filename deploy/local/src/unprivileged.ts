// Owns running a program that refuses to be root (Postgres) when we are root. Probes what works instead of guessing: which
// folders another user can enter, and whether the kernel lets us make user namespaces, differs between machines.
import { spawnSync } from "node:child_process";
import { chownSync, lstatSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** How to start a program: `command[0]` with the rest before its arguments, and options for `spawn`. */
export interface Launch {
  readonly prefix: readonly string[];
  readonly options: { readonly uid?: number; readonly gid?: number };
  /** For people and logs. */
  readonly how: "as this user" | "as nobody" | "in a user namespace";
}

/** `nobody` and `nogroup` on every Linux we know; no password, no home, owns nothing. */
const NOBODY = 65_534;
const PROBE_TIMEOUT_MS = 10_000;

/**
 * Decides how to run `bin` with `folder` as its own directory, and gives `folder` to the user it will run as.
 * Not root: directly. Root: as nobody if that user can reach both, else in a user namespace where we are not root (for
 * clones below a 0700 folder). A folder that an earlier start filled through a namespace belongs to root and stays that way.
 * @throws Error naming DATABASE_URL when neither works.
 */
export function launchUnprivileged(bin: string, folder: string): Launch {
  if (process.getuid?.() !== 0) return { prefix: [], options: {}, how: "as this user" };
  const entries = readdirSync(folder);
  const ownedByRoot = entries.length > 0 && statSync(folder).uid === 0;
  const order = ownedByRoot ? [inNamespace, asNobody] : [asNobody, inNamespace];
  for (const attempt of order) {
    const launch = attempt(bin, folder);
    if (launch) return launch;
  }
  throw new Error(
    "Postgres refuses to run as root, and here it can run neither as nobody (a parent folder is closed to others) nor in a " +
      "user namespace (not permitted). Run as another user, or set DATABASE_URL.",
  );
}

function asNobody(bin: string, folder: string): Launch | undefined {
  const options = { uid: NOBODY, gid: NOBODY };
  const probe = { ...options, cwd: "/", timeout: PROBE_TIMEOUT_MS, stdio: "ignore" } as const;
  if (spawnSync(bin, ["--version"], probe).status !== 0) return undefined;
  if (spawnSync("test", ["-x", dirname(folder)], probe).status !== 0) return undefined;
  giveTo(folder, NOBODY);
  return { prefix: [], options, how: "as nobody" };
}

function inNamespace(bin: string, folder: string): Launch | undefined {
  // unshare replaces itself by the program: the child's pid is the server's own.
  const flags = ["--user", `--map-user=${NOBODY}`, `--map-group=${NOBODY}`];
  const probe = { cwd: "/", timeout: PROBE_TIMEOUT_MS, stdio: "ignore" } as const;
  if (spawnSync("unshare", [...flags, bin, "--version"], probe).status !== 0) return undefined;
  giveTo(folder, 0);
  return { prefix: ["unshare", ...flags], options: {}, how: "in a user namespace" };
}

/** Changes the owner of a tree unless its root already has it. Links are left alone, never followed. */
function giveTo(folder: string, uid: number): void {
  if (statSync(folder).uid === uid) return;
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (lstatSync(path).isDirectory()) giveTo(path, uid);
    else if (!lstatSync(path).isSymbolicLink()) chownSync(path, uid, uid);
  }
  chownSync(folder, uid, uid);
}
