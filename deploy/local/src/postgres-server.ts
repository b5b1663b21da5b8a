// Owns one embedded Postgres server: making its data folder, starting, stopping. Knows no schema and no client library.
//
// Access is by TCP on the loopback interface with a generated password (scram): other users of a shared machine can reach the
// port. There is no Unix socket, so the length of the data directory's path does not matter.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { end, exited, hasExited, type EndingStep } from "./child-exit.js";
import { freePort } from "./free-port.js";
import { openLog } from "./log-file.js";
import { eventually } from "./polling.js";
import { findPostgres, type PostgresBinaries } from "./postgres-binaries.js";
import { identify } from "./process-identity.js";
import { launchUnprivileged, type Launch } from "./unprivileged.js";

export interface PostgresOptions {
  /** Data directory; the server's files go to `<dir>/pg/<major>`. */
  readonly dir: string;
  /** Default: any free port. A given port that is taken is an error. */
  readonly port?: number;
  /** Default true. False is for tests: a crash of the machine may then lose everything. */
  readonly fsync?: boolean;
  /** Settings for `postgres -c`, applied last. */
  readonly extraSettings?: Readonly<Record<string, string>>;
  /** Default `<dir>/logs/postgres.log`. */
  readonly logFile?: string;
}

export interface PostgresServer {
  /** Connection string of the database `reveille`, password included. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly version: string;
  /** Where the binaries came from and how they run, for people. */
  readonly how: string;
  /** Resolves when the server process is gone, for whatever reason. */
  readonly exited: Promise<void>;
  /** Fast shutdown (open transactions roll back), bounded. Idempotent. */
  stop(): Promise<void>;
}

/** A living server already has this data folder. */
export class PostgresAlreadyRunning extends Error {
  readonly code = "postgres_already_running";
  readonly pid: number;
  readonly port: number | undefined;

  constructor(folder: string, pid: number, port: number | undefined) {
    super(`Postgres already runs on ${folder} (pid ${pid}, port ${port ?? "unknown"})`);
    this.pid = pid;
    this.port = port;
  }
}

const DATABASE = "reveille";
const USER = "reveille";
/** Measured 1-5 s for initdb on a loaded two-core machine; crash recovery of some GB of WAL takes tens of seconds. */
const INITDB_TIMEOUT_MS = 120_000;
const READY_TIMEOUT_MS = 120_000;
/** Somebody else may take a free port between our look and the server's bind. */
const PORT_ATTEMPTS = 3;
/** SIGINT = fast shutdown with a checkpoint; SIGQUIT = immediate, recovery at the next start. */
const ENDING: readonly EndingStep[] = [
  { signal: "SIGINT", waitMs: 15_000 },
  { signal: "SIGQUIT", waitMs: 5_000 },
];

/** Starts a server on `<dir>/pg/<major>`, creating the folder and the database first if they are missing. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const root = join(resolve(options.dir), "pg");
  // The parent can be passed through, so that a server that runs as nobody reaches its own folder, which is closed.
  mkdirSync(resolve(options.dir), { recursive: true, mode: 0o711 });
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const binaries = findPostgres(majorsIn(root));
  const launch = launchUnprivileged(binaries.postgres, root);
  const folder = join(root, String(binaries.major));
  const passwordFile = join(root, `${binaries.major}.password`);
  if (!existsSync(folder)) initialise({ binaries, launch, folder, passwordFile });
  refuseIfRunning(folder);

  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const child = spawnServer({ binaries, launch, folder, port, options });
    try {
      await ready(child, folder);
      return serverOf({ child, port, binaries, launch, passwordFile });
    } catch (error) {
      await end(child, ENDING);
      if (options.port !== undefined || attempt === PORT_ATTEMPTS) {
        throw new Error(`Postgres did not start, see ${logFileOf(options)}`, { cause: error });
      }
    }
  }
}

interface Placement {
  readonly binaries: PostgresBinaries;
  readonly launch: Launch;
  readonly folder: string;
}

function majorsIn(root: string): number[] {
  return readdirSync(root)
    .filter((name) => /^\d+$/.test(name) && existsSync(join(root, name, "PG_VERSION")))
    .map(Number);
}

function logFileOf(options: PostgresOptions): string {
  return options.logFile ?? join(resolve(options.dir), "logs", "postgres.log");
}

/** Makes a complete data folder beside its place and moves it there last: a folder with the final name is never half made. */
function initialise(placement: Placement & { readonly passwordFile: string }): void {
  const { binaries, launch, folder, passwordFile } = placement;
  const fresh = `${folder}.new`;
  rmSync(fresh, { recursive: true, force: true });
  writeFileSync(passwordFile, `${randomBytes(24).toString("hex")}\n`, { mode: 0o600 });
  const { uid, gid } = launch.options;
  if (uid !== undefined && gid !== undefined) chownSync(passwordFile, uid, gid);

  runToEnd(launch, binaries.initdb, [
    `--pgdata=${fresh}`,
    `--username=${USER}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    "--locale=C",
    "--no-instructions",
  ]);
  // A server in single-user mode reads statements from standard input: the packaged binaries have no createdb and no psql.
  const createDatabase = `CREATE DATABASE ${DATABASE}\n`;
  runToEnd(launch, binaries.postgres, ["--single", "-D", fresh, "postgres"], createDatabase);
  renameSync(fresh, folder);
}

function runToEnd(launch: Launch, bin: string, args: readonly string[], input = ""): void {
  const [command = bin, ...rest] = [...launch.prefix, bin, ...args];
  const result = spawnSync(command, rest, {
    ...launch.options,
    cwd: "/",
    env: serverEnvironment(),
    encoding: "utf8",
    input,
    timeout: INITDB_TIMEOUT_MS,
  });
  // In single-user mode a failed statement does not change the exit status.
  if (result.status !== 0 || /^.*(ERROR|FATAL|PANIC): /m.test(result.stderr)) {
    const reason = result.error?.message ?? result.stderr.trim().slice(-500);
    throw new Error(`${bin} failed (status ${result.status}): ${reason}`);
  }
}

/** Ours without PG*: a PGPORT or PGOPTIONS meant for a client must not reach the server. English messages for the logs. */
function serverEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith("PG"));
  return { ...Object.fromEntries(own), LC_ALL: "C" };
}

/**
 * Postgres refuses to start when postmaster.pid names any living process of its user, which after a crash may be an unrelated one
 * with a reused pid. So: a living postmaster of this folder is an error for the caller, any other stale file is removed.
 */
function refuseIfRunning(folder: string): void {
  const file = join(folder, "postmaster.pid");
  if (!existsSync(file)) return;
  const lines = readFileSync(file, "utf8").split("\n");
  const pid = Number(lines[0]);
  if (identify(pid) && runsIn(pid, folder)) {
    throw new PostgresAlreadyRunning(folder, pid, Number(lines[3]) || undefined);
  }
  rmSync(file, { force: true });
}

/** A postmaster's working directory is its data folder. Where that cannot be read, a living pid counts as one. */
function runsIn(pid: number, folder: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(folder);
  } catch {
    return process.platform !== "linux";
  }
}

function spawnServer(
  place: Placement & { readonly port: number; readonly options: PostgresOptions },
): ChildProcess {
  const { binaries, launch, folder, port, options } = place;
  const settings: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    max_connections: "100",
    ...(options.fsync === false
      ? { fsync: "off", synchronous_commit: "off", full_page_writes: "off" }
      : {}),
    ...options.extraSettings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const [command = "", ...args] = [...launch.prefix, binaries.postgres, "-D", folder, ...flags];
  const log = openLog(logFileOf(options));
  try {
    return spawn(command, args, {
      ...launch.options,
      cwd: "/",
      env: serverEnvironment(),
      stdio: ["ignore", log, log],
      // A group of its own: Ctrl-C in the terminal must reach the supervisor alone, which stops servers last.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

/** Line 8 of postmaster.pid is the server's own word for its state; pg_ctl waits for the same. */
async function ready(child: ChildProcess, folder: string): Promise<void> {
  const file = join(folder, "postmaster.pid");
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  await eventually("Postgres ready", READY_TIMEOUT_MS, () => {
    if (hasExited(child))
      throw new Error(`postgres exited with ${child.exitCode ?? child.signalCode}`);
    const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
    return Number(lines[0]) === child.pid && lines[7]?.trim() === "ready" ? true : undefined;
  });
}

function serverOf(started: {
  readonly child: ChildProcess;
  readonly port: number;
  readonly binaries: PostgresBinaries;
  readonly launch: Launch;
  readonly passwordFile: string;
}): PostgresServer {
  const { child, port, binaries, launch, passwordFile } = started;
  const password = readFileSync(passwordFile, "utf8").trim();
  return {
    url: `postgres://${USER}:${password}@127.0.0.1:${port}/${DATABASE}`,
    port,
    pid: child.pid ?? 0,
    version: binaries.version,
    how: `${binaries.how}, ${launch.how}`,
    exited: exited(child),
    stop: async () => {
      await end(child, ENDING);
    },
  };
}
