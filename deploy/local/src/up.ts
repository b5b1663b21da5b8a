// Owns a whole local system: its data directory, servers, migrations and services, their order, and what is published about them.
// `npm start`, the demo, tests and benches all run on it. Knows services as processes that say "ready".
import { migrate } from "@reveille/shared/postgres/migrate";
import { defaultSizes } from "@reveille/shared/protocol/topology";
import { isPoolName } from "@reveille/shared/protocol/subjects";
import { openDataDir, type DataDir } from "./data-dir.js";
import { startServers, type KeepOptions, type Servers } from "./embedded-servers.js";
import {
  removeEndpoints,
  writeEndpoints,
  type Endpoints,
  type ProcessName,
  type ServiceName,
} from "./endpoints.js";
import { ensureKeys } from "./installation-keys.js";
import { endLeftovers, recordChildren } from "./leftovers.js";
import { signal } from "./process-identity.js";
import { serviceEnvironment } from "./service-environment.js";
import { createFleet, startFleet, type Fleet } from "./service-fleet.js";
import type { ServiceProcess } from "./service-process.js";

export interface StackOptions {
  readonly dataDir: string;
  /** Of the first gateway; 0 (the default) takes any free port. */
  readonly httpPort?: number;
  /** Default 127.0.0.1. */
  readonly httpHost?: string;
  /** Existing servers; without them embedded ones are started. */
  readonly natsUrl?: string | undefined;
  /** Each user's address on a NATS of the caller's; default: `natsUrl` for all. */
  readonly natsUrlOf?: (user: string) => string;
  readonly databaseUrl?: string | undefined;
  /** Of the embedded nats-server; default any free port. */
  readonly natsPort?: number;
  /** Gives the embedded nats-server a user `admin` who may do everything, for tests that look on; all users have this password then. */
  readonly natsAdmin?: { readonly password: string };
  /** Default `REVEILLE_SUBJECT_PREFIX`, else `rv`. */
  readonly prefix?: string;
  /** Of a new database; fixed from then on. Default 64. */
  readonly partitions?: number;
  /** Default: one of each. */
  readonly counts?: { gateways?: number; agentActors?: number; runners?: number };
  /** Added to the environment of all services of a name. */
  readonly env?: Partial<Record<ServiceName, NodeJS.ProcessEnv>>;
  /** Programs in place of the built services: tests of the supervisor itself. */
  readonly entries?: Partial<Record<ServiceName, string>>;
  /** Start what dies again; default true. Tests that kill say false. */
  readonly restart?: boolean;
  /** Of the embedded Postgres; default true. Tests say false. */
  readonly fsync?: boolean;
  readonly logLevel?: string;
  /** Progress, a line at a time. */
  readonly say?: (line: string) => void;
}

export interface Stack {
  /** As published now: pids change with restarts. */
  readonly endpoints: Endpoints;
  /** As one of the users of the embedded NATS; of another one, the address that was given. */
  readonly natsUrlOf: (user: string) => string;
  readonly dataDir: DataDir;
  /** All processes of a name by index, dead ones included. */
  service(name: ServiceName): readonly ServiceProcess[];
  /** Starts one more, with `env` added to its environment. */
  start(name: ServiceName, env?: NodeJS.ProcessEnv): Promise<ServiceProcess>;
  /** Signals the `index`-th process of a name; false when it does not run. */
  kill(name: ProcessName, index: number, signal: NodeJS.Signals): boolean;
  /** Runners, agent-actors, gateways, NATS, Postgres; each bounded. Idempotent. */
  stop(): Promise<void>;
  /** SIGKILL to everything at once, for somebody who does not want to wait; the next start recovers. */
  abandon(): void;
}

/** 64: up to sixteen hosts with four partitions each, at 40 MB of consumers in the server (measured; 256 need more for nothing). */
const PARTITIONS = 64;
const SERVICES: readonly ServiceName[] = ["gateway", "agent-actor", "runner"];

/**
 * Brings a whole system up on a data directory and resolves when every service is ready. When anything fails, what was started is
 * stopped first.
 * @throws DataDirBusy when another supervisor runs there.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const say = options.say ?? (() => {});
  const dataDir = openDataDir(options.dataDir);
  const cleanups: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopping ??= runBackwards(cleanups, dataDir));
  try {
    const ended = await endLeftovers(dataDir.childrenFile);
    if (ended > 0) say(`ended ${ended} processes that a killed start had left behind`);
    return await assemble({ options, say, dataDir, cleanups, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Every step even if one before it fails: what stays running would keep the data busy. */
async function runBackwards(steps: (() => Promise<void>)[], dataDir: DataDir): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps.toReversed()) {
    await step().catch((error: unknown) => failures.push(error));
  }
  removeEndpoints(dataDir.endpointsFile);
  dataDir.release();
  if (failures.length > 0) throw new AggregateError(failures, "not everything stopped");
}

interface Assembly {
  readonly options: StackOptions;
  readonly say: (line: string) => void;
  readonly dataDir: DataDir;
  readonly cleanups: (() => Promise<void>)[];
  readonly stop: () => Promise<void>;
}

async function assemble({ options, say, dataDir, cleanups, stop }: Assembly): Promise<Stack> {
  const restart = options.restart ?? true;
  const prefix = options.prefix ?? (process.env["REVEILLE_SUBJECT_PREFIX"] || "rv");
  const record = recordChildren(dataDir.childrenFile);
  let publish = (): void => {}; // not before everything is up: readers take the file as "ready"

  const servers = await startServers({
    dir: dataDir.root,
    natsUrl: options.natsUrl,
    databaseUrl: options.databaseUrl,
    natsPort: options.natsPort,
    prefix,
    pools: poolsOf(options),
    natsAdmin: options.natsAdmin,
    fsync: options.fsync ?? true,
    keeping: (name): KeepOptions => ({
      restart,
      say,
      onChanged: () => publish(),
      onStarted: (pid) => record(name, pid),
    }),
  });
  cleanups.push(() => servers.stop());
  await migrate(servers.databaseUrl, { partitionCount: options.partitions ?? PARTITIONS });

  const addresses = {
    natsUrlOf: options.natsUrlOf ?? servers.natsUrlOf,
    databaseUrl: servers.databaseUrl,
    prefix,
    httpHost: options.httpHost ?? "127.0.0.1",
    httpPort: options.httpPort ?? 0,
    apiUrl: () => firstGateway(fleet),
    dataDir: dataDir.root,
    keys: ensureKeys(dataDir.keys),
    logLevel: options.logLevel ?? (process.env["REVEILLE_LOG_LEVEL"] || "info"),
  };
  const fleet: Fleet = createFleet({
    logs: dataDir.logs,
    entries: options.entries ?? {},
    restart,
    environmentOf: (name, index, extra) =>
      serviceEnvironment(name, index, addresses, { ...options.env?.[name], ...extra }),
    onStarted: record,
    onChanged: () => publish(),
    say,
  });
  cleanups.push(() => fleet.stop());
  await startFleet(fleet, {
    gateway: options.counts?.gateways ?? 1,
    "agent-actor": options.counts?.agentActors ?? 1,
    runner: options.counts?.runners ?? 1,
  });

  publish = () => writeEndpoints(dataDir.endpointsFile, endpointsOf(servers, fleet));
  publish();
  cleanups.push(async () => {
    publish = () => {};
  });
  return stackOf({ dataDir, servers, fleet, stop });
}

/** Every pool that the environment of a service here names: each has a user. */
function poolsOf({ env }: StackOptions): string[] {
  const lists = [
    process.env["REVEILLE_RUNNER_POOLS"],
    process.env["REVEILLE_RUNNER_POOL"],
    env?.["agent-actor"]?.["REVEILLE_RUNNER_POOLS"],
    env?.runner?.["REVEILLE_RUNNER_POOL"],
  ];
  const named = lists.flatMap((list) => list?.split(",") ?? []).map((pool) => pool.trim());
  return [...new Set([...defaultSizes.pools, ...named])].filter(isPoolName);
}

function endpointsOf(servers: Servers, fleet: Fleet): Endpoints {
  return {
    http: firstGateway(fleet) ?? "",
    nats: servers.natsUrl,
    databaseUrl: servers.databaseUrl,
    pids: {
      gateway: fleet.pids("gateway"),
      "agent-actor": fleet.pids("agent-actor"),
      runner: fleet.pids("runner"),
      ...servers.pids(),
    },
  };
}

function firstGateway(fleet: Fleet): string | undefined {
  return fleet.of("gateway")[0]?.ready?.http;
}

function stackOf(parts: {
  readonly dataDir: DataDir;
  readonly servers: Servers;
  readonly fleet: Fleet;
  readonly stop: () => Promise<void>;
}): Stack {
  const { dataDir, servers, fleet, stop } = parts;
  const pid = (name: ProcessName, index: number): number | undefined =>
    name === "nats" || name === "postgres"
      ? servers.pids()[name][index]
      : fleet.of(name).find((one) => one.index === index)?.pid;
  return {
    get endpoints() {
      return endpointsOf(servers, fleet);
    },
    natsUrlOf: servers.natsUrlOf,
    dataDir,
    service: (name) => fleet.of(name),
    start: (name, env) => fleet.start(name, env),
    kill: (name, index, signalName) => signal(pid(name, index) ?? 0, signalName),
    stop,
    abandon: () => {
      const { nats, postgres } = servers.pids();
      const everything = [...SERVICES.flatMap((name) => fleet.pids(name)), ...nats];
      for (const each of everything) signal(each, "SIGKILL");
      // Immediate shutdown: SIGKILL would leave Postgres's children to find out by themselves.
      for (const each of postgres) signal(each, "SIGQUIT");
    },
  };
}
