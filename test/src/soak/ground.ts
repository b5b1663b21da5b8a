// Owns the system under a soak: NATS and Postgres of its own, two of each service as real processes, one of each behind links that can be
// cut. Starts again what faults have ended, notices what ended by itself, and stops everything. Knows no load and no judgement.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { ServiceName } from "@reveille/local/endpoints";
import { getNatsServer } from "@reveille/local/nats-binary";
import type { ServiceProcess } from "@reveille/local/service-process";
import { startStack, type Stack } from "@reveille/local/up";
import { connectBus, type NatsBus } from "@reveille/shared/nats/bus";
import pg from "pg";
import { serviceNats, startTestNats, type TestNats } from "../harness/nats.js";
import { startTestPostgres, type TestPostgres } from "../harness/postgres.js";
import { startProxy, type Proxy } from "../harness/proxy.js";
import { heapEnvironment } from "./heap-folder.js";

export const serviceNames: readonly ServiceName[] = ["agent-actor", "gateway", "runner"];

/** Where one process of a service stands; its process changes. */
export interface Place {
  readonly name: ServiceName;
  /** 0: straight to the servers. 1: through links. */
  readonly index: 0 | 1;
  readonly links: { readonly nats: Proxy; readonly postgres: Proxy } | null;
  process: ServiceProcess;
  /** A fault has it: whoever ends it starts it again. */
  inHand: boolean;
}
/** A service that ended although nobody had asked it to. */
export interface OwnEnd {
  service: string;
  at: string;
  lastLines: string;
}

export interface Ground {
  readonly nats: TestNats;
  readonly postgres: TestPostgres;
  readonly stack: Stack;
  readonly places: readonly Place[];
  /** Straight to the servers, for whoever looks on or judges. */
  readonly database: pg.Pool;
  readonly bus: NatsBus;
  readonly ownEnds: readonly OwnEnd[];
  /** Where services leave the size of their live heaps. */
  readonly heaps: string;
  /** Of every runner that was ever ready. */
  readonly runnerPids: ReadonlySet<number>;
  /** A gateway that lives; undefined: none does. */
  gateway(choice: number): string | undefined;
  /** Puts a new process where one has ended; tries until it is ready. @throws Error after two minutes. */
  replace(place: Place): Promise<void>;
  /** No weather on any link, nobody frozen, a living process in every place. */
  heal(): Promise<void>;
  /** Every process and folder. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Shorter than what the freezes of a soak last, in the proportions of the defaults: a host's own lease is 3 s already. Both sides must
 * know a runner's lease.
 */
const runnerLease = { REVEILLE_RUNNER_LEASE_TTL_MS: "4000" };
const environment = (heaps: string): Record<ServiceName, NodeJS.ProcessEnv> => ({
  gateway: heapEnvironment(heaps),
  "agent-actor": { ...heapEnvironment(heaps), ...runnerLease },
  runner: {
    ...heapEnvironment(heaps),
    ...runnerLease,
    REVEILLE_RUNNER_LEASE_RENEW_MS: "300",
    REVEILLE_RUNNER_GUARD_DEADLINE_MS: "2000",
  },
});
/** Sessions of killed services linger until Postgres has noticed. */
const connectionsMax = "300";
/** A service whose servers are away ends before it is ready, and a supervisor starts it again. */
const replaceMs = 120_000;
const againMs = 500;
/** How often it looks for services that ended by themselves. */
const watchMs = 500;
/** Of a log, for whoever reads why. */
const tailBytes = 1_500;

/** `logs`: where what the services have written is kept when the system is gone. */
export async function openGround(logs: string): Promise<Ground> {
  const cleanups: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  };
  try {
    return await assemble(cleanups, stop, logs);
  } catch (error) {
    await stop();
    throw error;
  }
}

const portOf = (url: string): number => Number(new URL(url).port);

async function assemble(
  cleanups: (() => unknown)[],
  stop: () => Promise<void>,
  logs: string,
): Promise<Ground> {
  const folder = mkdtempSync(join(tmpdir(), "reveille-soak-"));
  chmodSync(folder, 0o711);
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const { bin } = await getNatsServer({ say: (line) => process.stderr.write(`${line}\n`) });
  const nats = await startTestNats({ bin });
  cleanups.push(() => nats.stop());
  const postgres = await startTestPostgres({ settings: { max_connections: connectionsMax } });
  cleanups.push(() => postgres.stop());
  const heaps = join(folder, "heaps");
  mkdirSync(heaps);
  const dataDir = join(folder, "data");
  mkdirSync(dataDir, { mode: 0o711 });
  cleanups.push(() => cpSync(join(dataDir, "logs"), logs, { recursive: true }));
  // Before the services, so that they are there until the last one has drained.
  const linkOf = async (url: string): Promise<Proxy> => {
    const link = await startProxy(portOf(url));
    cleanups.push(() => link.stop());
    return link;
  };
  const links = new Map<ServiceName, { nats: Proxy; postgres: Proxy }>();
  for (const name of serviceNames)
    links.set(name, {
      nats: await linkOf(nats.serviceUrl),
      postgres: await linkOf(postgres.url),
    });
  const stack = await startStack({
    dataDir,
    natsUrl: nats.serviceUrl,
    natsUrlOf: nats.urlOf,
    databaseUrl: postgres.url,
    restart: false,
    logLevel: "warn",
    env: environment(heaps),
  });
  cleanups.push(() => stack.stop());
  const places: Place[] = [];
  for (const name of serviceNames) {
    const own = links.get(name)!;
    places.push({ name, index: 0, links: null, process: stack.service(name)[0]!, inHand: false });
    const process = await stack.start(name, environmentOf(own, stack, nats, name));
    places.push({ name, index: 1, links: own, process, inHand: false });
  }
  const database = new pg.Pool({ connectionString: postgres.url, max: 4 });
  // Faults end idle sessions; the next question opens another.
  database.on("error", () => undefined);
  cleanups.push(() => database.end());
  const bus = await connectBus({ url: nats.serviceUrl, name: "soak" });
  cleanups.push(() => bus.close());

  const ownEnds: OwnEnd[] = [];
  const runnerPids = new Set<number>();
  for (const { name, process } of places)
    if (name === "runner" && process.pid !== undefined) runnerPids.add(process.pid);
  const replace = replacing(stack, nats, runnerPids);
  const watch = watching(places, ownEnds, replace);
  cleanups.push(() => watch.stop());
  return {
    nats,
    postgres,
    stack,
    places,
    database,
    bus,
    ownEnds,
    heaps,
    runnerPids,
    gateway: (choice) => {
      const living = places.filter(
        ({ name, process }) => name === "gateway" && process.pid !== undefined,
      );
      return living[choice % Math.max(1, living.length)]?.process.ready?.http;
    },
    replace,
    heal: async () => {
      for (const { links } of places) for (const link of Object.values(links ?? {})) link.heal();
      for (const { process } of places) process.kill("SIGCONT");
      for (const place of places) if (place.process.pid === undefined) await replace(place);
    },
    stop,
  };
}

function environmentOf(
  links: Place["links"],
  stack: Stack,
  nats: TestNats,
  name: ServiceName,
): NodeJS.ProcessEnv {
  if (!links) return {};
  return {
    ...serviceNats(links.nats.urlOf(nats.serviceUrl), name),
    DATABASE_URL: name === "runner" ? "" : links.postgres.urlOf(stack.endpoints.databaseUrl),
  };
}

const replacing =
  (stack: Stack, nats: TestNats, runnerPids: Set<number>) =>
  async (place: Place): Promise<void> => {
    const deadline = performance.now() + replaceMs;
    for (;;) {
      try {
        const env = environmentOf(place.links, stack, nats, place.name);
        place.process = await stack.start(place.name, env);
        const { pid } = place.process;
        if (place.name === "runner" && pid !== undefined) runnerPids.add(pid);
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await pause(againMs);
      }
    }
  };

/** Services that ended by themselves are told, and started again as any supervisor would. */
function watching(
  places: readonly Place[],
  ownEnds: OwnEnd[],
  replace: (place: Place) => Promise<void>,
): { stop(): Promise<void> } {
  const under = new Set<Promise<void>>();
  const look = (): void => {
    for (const place of places) {
      if (place.inHand || place.process.pid !== undefined) continue;
      place.inHand = true;
      const { name, index, logFile } = place.process;
      ownEnds.push({
        service: `${name}-${index}`,
        at: new Date().toISOString(),
        lastLines: readFileSync(logFile, "utf8").slice(-tailBytes),
      });
      const work = replace(place)
        .catch((error: Error) => void process.stderr.write(`${error.message}\n`))
        .finally(() => {
          place.inHand = false;
          under.delete(work);
        });
      under.add(work);
    }
  };
  const timer = setInterval(look, watchMs);
  return {
    stop: async () => {
      clearInterval(timer);
      await Promise.all(under);
    },
  };
}
