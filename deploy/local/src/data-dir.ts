// Owns the layout of a data directory and its exclusive lock: one supervisor per directory, whatever was killed before.
// Knows nothing about what the supervisor runs.
//
// Protocol of the lock: files `lock/<n>` with rising n; the highest one counts. It is taken by creating n + 1 (a hard link of
// a complete file: atomic, fails if it exists) when the holder named by n is dead or has released it. The highest file is never removed,
// so a starter that looked long ago cannot take over what somebody else has taken since; a removed-then-reused name is what makes
// the usual "delete the stale pid file" racy.
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { identify, isAlive, type ProcessIdentity } from "./process-identity.js";

/** Paths inside a data directory. Folders that servers fill exist after `openDataDir`. */
export interface DataDirLayout {
  readonly root: string;
  /** JetStream store, configuration and password of the embedded nats-server. */
  readonly nats: string;
  /** Parent of one Postgres data folder per major version. */
  readonly postgres: string;
  readonly logs: string;
  /** The installation's own secrets. */
  readonly keys: string;
  readonly endpointsFile: string;
  /** The processes that a supervisor started; read by its successor after a kill -9. */
  readonly childrenFile: string;
}

export interface DataDir extends DataDirLayout {
  /** True when no earlier start had got as far as having a database here. */
  readonly isNew: boolean;
  /** Gives the lock up. Idempotent. */
  release(): void;
}

/** Somebody else runs on this directory. `pid` is the holder; `http` its address, once it is up. */
export class DataDirBusy extends Error {
  readonly code = "data_dir_busy";
  readonly pid: number;
  readonly http: string | undefined;

  constructor(root: string, pid: number, http: string | undefined) {
    const where = http ? `, listening on ${http}` : ", still starting or stopping";
    super(`Reveille is already running on ${root} (pid ${pid}${where})`);
    this.pid = pid;
    this.http = http;
  }
}

/** Each lost race raises n by one; more lost races than this in a row means that something else is wrong. */
const ACQUIRE_ATTEMPTS = 20;

export function layoutOf(directory: string): DataDirLayout {
  const root = resolve(directory);
  return {
    root,
    nats: join(root, "nats"),
    postgres: join(root, "pg"),
    logs: join(root, "logs"),
    keys: join(root, "keys"),
    endpointsFile: join(root, "endpoints.json"),
    childrenFile: join(root, "children.json"),
  };
}

/**
 * Creates what is missing and takes the lock. The directory itself can be passed through (0711) so that an embedded Postgres
 * that runs as nobody reaches its own folder; every folder and file in it is closed to others.
 * @throws DataDirBusy when a living process holds it.
 */
export function openDataDir(directory: string): DataDir {
  const layout = layoutOf(directory);
  const isNew = !existsSync(layout.postgres) && !existsSync(layout.nats);
  mkdirSync(layout.root, { recursive: true, mode: 0o711 });
  const release = acquire(layout);
  mkdirSync(layout.logs, { recursive: true, mode: 0o700 });
  return { ...layout, isNew, release };
}

/** Writes a file so that a reader sees the old or the new content, never a part. Mode 0600. */
export function writeAtomically(file: string, content: string): void {
  const partial = `${file}.${process.pid}.tmp`;
  writeFileSync(partial, content, { mode: 0o600 });
  renameSync(partial, file);
}

function acquire(layout: DataDirLayout): () => void {
  const folder = join(layout.root, "lock");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const self = identify(process.pid);
  if (!self) throw new Error("cannot read this process's own start time");

  for (let attempt = 0; attempt < ACQUIRE_ATTEMPTS; attempt++) {
    const highest = highestNumber(folder);
    const holder = readHolder(join(folder, String(highest)));
    if (holder && isAlive(holder)) {
      throw new DataDirBusy(layout.root, holder.pid, readAddress(layout.endpointsFile));
    }
    const mine = join(folder, String(highest + 1));
    if (!createExclusively(mine, JSON.stringify(self))) continue;
    if (highestNumber(folder) !== highest + 1) {
      // We looked so long ago that our number had been passed and cleared away.
      rmSync(mine, { force: true });
      continue;
    }
    for (const number of numbersIn(folder)) {
      if (number <= highest) rmSync(join(folder, String(number)), { force: true });
    }
    return () => releaseIfHeld(mine, self);
  }
  throw new Error(`could not take the lock of ${layout.root}`);
}

function releaseIfHeld(file: string, self: ProcessIdentity): void {
  const holder = readHolder(file);
  if (holder?.pid === self.pid && holder.startedAt === self.startedAt)
    writeAtomically(file, "null");
}

function createExclusively(file: string, content: string): boolean {
  const partial = `${file}.${process.pid}.new`;
  writeFileSync(partial, content, { mode: 0o600 });
  try {
    linkSync(partial, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(partial, { force: true });
  }
}

function numbersIn(folder: string): number[] {
  return readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function highestNumber(folder: string): number {
  return Math.max(0, ...numbersIn(folder));
}

/** The process named in a lock file; undefined when it was released, or is no lock of ours. */
function readHolder(file: string): ProcessIdentity | undefined {
  const value = readJson(file) as Partial<ProcessIdentity> | null | undefined;
  if (typeof value?.pid !== "number" || typeof value.startedAt !== "string") return undefined;
  return { pid: value.pid, startedAt: value.startedAt };
}

function readAddress(endpointsFile: string): string | undefined {
  const value = readJson(endpointsFile) as { http?: unknown } | null | undefined;
  return typeof value?.http === "string" ? value.http : undefined;
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined; // missing, or torn by a crash of the machine: nobody can hold anything by it
  }
}
