// Owns the service processes of one stack as a whole: numbering them, the order in which they start and stop. Knows their names, not
// what they do.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ServiceName } from "./endpoints.js";
import { startServiceProcess, type ServiceProcess } from "./service-process.js";

export interface FleetOptions {
  readonly logs: string;
  /** Programs in place of the built services. */
  readonly entries: Partial<Readonly<Record<ServiceName, string>>>;
  readonly restart: boolean;
  readonly environmentOf: (
    name: ServiceName,
    index: number,
    extra: NodeJS.ProcessEnv,
  ) => NodeJS.ProcessEnv;
  readonly onStarted: (name: ServiceName, pid: number) => void;
  readonly onChanged: () => void;
  readonly say: (line: string) => void;
}

export interface Fleet {
  /** Every process of a name that was ever started, dead ones included, by index. */
  of(name: ServiceName): readonly ServiceProcess[];
  pids(name: ServiceName): number[];
  start(name: ServiceName, extra?: NodeJS.ProcessEnv): Promise<ServiceProcess>;
  stop(): Promise<void>;
}

export type FleetCounts = Readonly<Record<ServiceName, number>>;

/** How long (ms) a service may drain before SIGKILL. A runner waits for what it runs, the others for transactions. */
const DRAIN_MS: Readonly<Record<ServiceName, number>> = {
  runner: 30_000,
  "agent-actor": 10_000,
  gateway: 10_000,
};
/** A runner's last reports are decided by actors, whose answers are served by gateways. */
const STOP_ORDER: readonly ServiceName[] = ["runner", "agent-actor", "gateway"];

const services = fileURLToPath(new URL("../../../services/", import.meta.url));

export function createFleet(options: FleetOptions): Fleet {
  const started: ServiceProcess[] = [];
  const taken = { gateway: 0, "agent-actor": 0, runner: 0 };
  const fleet: Fleet = {
    of: (name) => started.filter((one) => one.name === name).toSorted((a, b) => a.index - b.index),
    pids: (name) => fleet.of(name).flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    start: async (name, extra = {}) => {
      const index = taken[name]++;
      const one = await startServiceProcess({
        name,
        index,
        entry: options.entries[name] ?? join(services, name, "dist", "main.js"),
        env: options.environmentOf(name, index, extra),
        logFile: join(options.logs, `${name}-${index}.log`),
        restart: options.restart,
        onStarted: (pid) => options.onStarted(name, pid),
        onChanged: options.onChanged,
        say: options.say,
      });
      started.push(one);
      options.onChanged();
      return one;
    },
    stop: async () => {
      for (const name of STOP_ORDER) {
        await Promise.all(fleet.of(name).map((one) => one.stop(DRAIN_MS[name])));
      }
    },
  };
  return fleet;
}

/**
 * Starts the given number of each. Actors first: they make the streams and buckets that the others look for. Then gateways:
 * runners tell their address to agents.
 */
export async function startFleet(fleet: Fleet, counts: FleetCounts): Promise<void> {
  await startMany(fleet, "agent-actor", counts["agent-actor"]);
  await startMany(fleet, "gateway", counts.gateway);
  await startMany(fleet, "runner", counts.runner);
}

function startMany(fleet: Fleet, name: ServiceName, count: number): Promise<void> {
  return settleAll(Array.from({ length: count }, () => fleet.start(name)));
}

/** Waits for all, then throws the first failure: what is still starting when we give up could not be stopped any more. */
async function settleAll(starts: Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(starts);
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}
