// Owns one embedded nats-server: its folder, starting it and stopping it. Knows no stream and no bucket: the topology
// keeper makes those.
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { end, exited, hasExited, type EndingStep } from "./child-exit.js";
import { writeAtomically } from "./data-dir.js";
import { openLog, tailOf } from "./log-file.js";
import { natsConfig } from "./nats-config.js";
import { asUser, passwordFiles } from "./nats-passwords.js";
import { eventually } from "./polling.js";

export interface NatsServerOptions {
  /** Data directory; the server's files go to `<dir>/nats`. */
  readonly dir: string;
  /** Path of the program, 2.12 or newer. */
  readonly bin: string;
  /** Default: any free port. A given port that is taken is an error. */
  readonly port?: number;
  readonly monitorPort?: number;
  /** Default `REVEILLE_SUBJECT_PREFIX`, else `rv`: the subtree that clients without credentials see. */
  readonly prefix?: string;
  /** Runner pools that have users; default: `default` alone. */
  readonly pools?: readonly string[];
  /** A user who may do everything, and the password of every user then: for tests and benches. */
  readonly admin?: { readonly password: string };
  /** Default `<dir>/logs/nats.log`. */
  readonly logFile?: string;
}

export interface NatsServer {
  /** For everybody: no credentials, few permissions. */
  readonly url: string;
  /** For one of our services, with its own credentials. */
  readonly urlOf: (user: string) => string;
  readonly monitorUrl: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly pid: number;
  readonly version: string;
  /** Resolves when the server process is gone, for whatever reason. */
  readonly exited: Promise<void>;
  /** Orderly and bounded. Idempotent. */
  stop(): Promise<void>;
}

/** Healthy means that every stream is recovered: measured 0.1 s empty; a full store is read at disk speed. */
const HEALTHY_TIMEOUT_MS = 120_000;
/** One answer of the monitor port. */
const MONITOR_TIMEOUT_MS = 2_000;
const ENDING: readonly EndingStep[] = [{ signal: "SIGTERM", waitMs: 15_000 }];
/** Lets the server take any free port. */
const ANY_PORT = -1;

/** Starts a server on `<dir>/nats` and resolves when it is healthy. Started again on the same folder it has the same data. */
export async function startNatsServer(options: NatsServerOptions): Promise<NatsServer> {
  const dir = join(resolve(options.dir), "nats");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  clearPortFiles(dir);
  const { admin } = options;
  const passwordOf = admin ? () => admin.password : passwordFiles(dir);
  const configFile = join(dir, "nats-server.conf");
  const text = natsConfig({
    dir,
    port: options.port || ANY_PORT,
    monitorPort: options.monitorPort || ANY_PORT,
    prefix: options.prefix ?? (process.env["REVEILLE_SUBJECT_PREFIX"] || "rv"),
    pools: options.pools ?? ["default"],
    passwordOf,
    withAdmin: admin !== undefined,
  });
  writeAtomically(configFile, text);

  const logFile = options.logFile ?? join(resolve(options.dir), "logs", "nats.log");
  const child = spawnServer(options.bin, configFile, logFile);
  try {
    return await serverOf(child, dir, passwordOf);
  } catch (error) {
    await end(child, ENDING);
    throw new Error(`nats-server did not start:\n${tailOf(logFile, 5)}`, { cause: error });
  }
}

function spawnServer(bin: string, configFile: string, logFile: string): ChildProcess {
  const log = openLog(logFile);
  try {
    return spawn(bin, ["-c", configFile], {
      cwd: "/",
      stdio: ["ignore", log, log],
      // A group of its own: Ctrl-C in the terminal must reach the supervisor alone, which stops servers last.
      detached: true,
    });
  } finally {
    closeSync(log);
  }
}

async function serverOf(
  child: ChildProcess,
  dir: string,
  passwordOf: (user: string) => string,
): Promise<NatsServer> {
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  const { clients, monitor } = await eventually("its ports", HEALTHY_TIMEOUT_MS, () => {
    refuseDead(child);
    return readPorts(dir, child.pid ?? 0);
  });
  await eventually("healthy", HEALTHY_TIMEOUT_MS, () => {
    refuseDead(child);
    return isHealthy(monitor);
  });
  const state = (await (await get(`${monitor}/varz`)).json()) as { version: string };
  const port = Number(new URL(clients).port);
  const url = `nats://127.0.0.1:${port}`;
  return {
    url,
    urlOf: (user) => asUser(url, user, passwordOf(user)),
    monitorUrl: monitor,
    port,
    monitorPort: Number(new URL(monitor).port),
    pid: child.pid ?? 0,
    version: state.version,
    exited: exited(child),
    stop: async () => {
      await end(child, ENDING);
    },
  };
}

function refuseDead(child: ChildProcess): void {
  if (hasExited(child)) throw new Error(`it exited with ${child.exitCode ?? child.signalCode}`);
}

/** The server writes `<name>_<pid>.ports` when its listeners are up. One of a killed server may carry our new pid. */
function clearPortFiles(dir: string): void {
  for (const name of readdirSync(dir)) {
    if (name.endsWith(".ports")) rmSync(join(dir, name), { force: true });
  }
}

function readPorts(dir: string, pid: number): { clients: string; monitor: string } | undefined {
  const name = readdirSync(dir).find((file) => file.endsWith(`_${pid}.ports`));
  if (!name) return undefined;
  const text = readFileSync(join(dir, name), "utf8");
  if (!text.trimEnd().endsWith("}")) return undefined; // still being written
  const ports = JSON.parse(text) as { nats?: string[]; monitoring?: string[] };
  const [clients] = ports.nats ?? [];
  const [monitor] = ports.monitoring ?? [];
  return clients && monitor ? { clients, monitor } : undefined;
}

async function isHealthy(monitor: string): Promise<true | undefined> {
  try {
    return (await get(`${monitor}/healthz`)).ok ? true : undefined;
  } catch {
    return undefined; // not listening yet; the caller's bound ends the waiting
  }
}

function get(url: string): Promise<Response> {
  return fetch(url, { signal: AbortSignal.timeout(MONITOR_TIMEOUT_MS) });
}
