// Owns a Postgres server of one test file, for tests that break it: killed, frozen, single sessions killed, out of connections. It comes
// back on the same port with the same data each time. Everybody else shares the server of global-setup.ts.
import { chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { identify, signal } from "@reveille/local/process-identity";
import { startPostgres, type PostgresServer } from "@reveille/local/postgres-server";
import { until } from "./until.js";

export interface TestPostgres {
  /** Superuser's, database `reveille`; the same after each start. */
  readonly url: string;
  /** Of the postmaster. */
  readonly pid: number;
  /** The data folder's parent: what a test fills, or puts on a small disk. */
  readonly dir: string;
  readonly logFile: string;
  /** Every process of the server now, the postmaster first. */
  processes(): number[];
  /** SIGKILL to the postmaster alone (its children notice) and wait until all are gone. */
  kill(): Promise<void>;
  /** Starts a killed or stopped server again; resolves when it takes connections. */
  start(): Promise<void>;
  /** SIGSTOP to all its processes: connections stay open, nothing answers, nothing times out on its side. Returns how many. */
  freeze(): number;
  thaw(): void;
  /** Ends it and removes its folder. Idempotent. */
  stop(): Promise<void>;
}

export interface TestPostgresOptions {
  /** For `postgres -c`. */
  settings?: Readonly<Record<string, string>>;
  /** An existing folder that others may pass through (mode 0711), for example on a disk of its own; default: a new one, removed at the end. */
  dir?: string;
}

/**
 * A commit that was answered must outlive a kill: written to the kernel before the answer, which the shared server does not do. Only
 * `fsync`, which is for crashes of the machine, stays off.
 */
const commitsSurviveKills = { synchronous_commit: "on" };
/** Of a killed postmaster's children, until they have noticed; they look at least once a second. */
const childrenGoneMs = 10_000;

export async function startTestPostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "reveille-own-postgres-"));
  if (options.dir === undefined) chmodSync(dir, 0o711);
  const settings = {
    dir,
    fsync: false,
    extraSettings: { ...commitsSurviveKills, ...options.settings },
    logFile: join(dir, "logs", "postgres.log"),
  };
  let server: PostgresServer = await startPostgres(settings);
  const { port, url } = server;
  const processes = (): number[] => [server.pid, ...childrenOf(server.pid)];
  const each = (name: NodeJS.Signals): number =>
    processes().filter((pid) => signal(pid, name)).length;
  return {
    url,
    dir,
    logFile: settings.logFile,
    get pid() {
      return server.pid;
    },
    processes,
    kill: async () => {
      const all = processes();
      signal(server.pid, "SIGKILL");
      await server.exited;
      // A successor refuses to start beside them: they still have the shared memory.
      await until("its sessions are gone", () => !all.some((pid) => identify(pid)), {
        timeoutMs: childrenGoneMs,
      });
    },
    start: async () => {
      server = await startPostgres({ ...settings, port });
    },
    freeze: () => each("SIGSTOP"),
    thaw: () => {
      each("SIGCONT");
    },
    stop: async () => {
      each("SIGCONT"); // a frozen process would sit out the polite part
      await server.stop();
      if (options.dir === undefined) rmSync(dir, { recursive: true, force: true });
    },
  };
}

function childrenOf(parent: number): number[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      // proc(5): state and parent follow the last ")".
      const [state, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(ppid) === parent && state !== "Z" ? [Number(name)] : [];
    } catch {
      return []; // ended meanwhile
    }
  });
}
