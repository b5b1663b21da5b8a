// Owns a system of several hosts and runners for one fault test: a NATS of its own that can be killed, wiped and rolled back, a client
// without credentials, agents that are witnesses, and the one judgement over everything at the end.
import { randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServiceName } from "@reveille/local/endpoints";
import type { ServiceProcess } from "@reveille/local/service-process";
import { openBucket } from "@reveille/shared/nats/bucket";
import { connectBus, type NatsBus } from "@reveille/shared/nats/bus";
import { streamFacts } from "@reveille/shared/nats/stream-facts";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { partitionOf } from "@reveille/shared/protocol/partition";
import { runIdOfWake } from "@reveille/shared/protocol/ids";
import { afterAll, afterEach, beforeAll, expect, onTestFinished } from "vitest";
import { ledgerViolations, progressOf } from "./ledger.js";
import { startTestNats, type NatsAddresses, type TestNats } from "./nats.js";
import type { TestPostgres } from "./postgres.js";
import { until } from "./until.js";
import { openWakeClient, type Wake, type WakeClient } from "./wake-client.js";
import { startWholeSystem, type WholeSystem } from "./whole-system.js";
import { firstStarts, openWitness, witnessViolations, type Witness } from "./witness.js";

export interface ClusterOptions {
  /** Two of each by default: what is only right with one of something is not right. */
  gateways?: number;
  agentActors?: number;
  runners?: number;
  env?: Partial<Record<ServiceName, NodeJS.ProcessEnv>>;
  /** A nats-server that the caller stops; default: one of the cluster's own. */
  nats?: TestNats;
  /** Several servers, which the caller breaks and stops; `cluster.nats` is not there then. */
  natsServers?: NatsAddresses;
  /** Where services find it, for a link in between; the client and the judge go straight to it. */
  natsUrlOf?: (url: string) => string;
  /** A Postgres that the caller stops; default: a database on the shared one, which must not be harmed. */
  postgres?: TestPostgres;
  databaseUrlOf?: (url: string) => string;
}
export interface Agent {
  companyId: string;
  agentId: string;
  slots: number;
}

export interface Cluster {
  readonly system: WholeSystem;
  readonly nats: TestNats;
  readonly client: WakeClient;
  /** As our services are connected, for what a test breaks or looks at. */
  readonly bus: NatsBus;
  readonly witness: Witness;
  readonly companyId: string;
  /** Agents that live so long, with `slots` slots each (default 1). */
  agents(count: number, lives: number | "random" | "released", slots?: number): Promise<Agent[]>;
  issues(count: number): Promise<string[]>;
  /** One statement; the rows. */
  rows<Row extends object>(sql: string, values?: unknown[]): Promise<Row[]>;
  process(name: ServiceName, index: number): ServiceProcess;
  /** Base URL of a gateway, without `/api`. */
  readonly gateway: (index: number) => string;
  /** Id of the host that owns an agent's partition now. */
  ownerOf(agentId: string): Promise<string | null>;
  /** These wakes have verdicts, and everything that was ever woken is over; fails with how far it came. */
  atRest(wakes: readonly Wake[], timeoutMs: number): Promise<void>;
  /**
   * The verdict of all tests: nothing lost, doubled, overlapping or left over, nothing out of order. `stored`: order is that of the
   * stream; for tests in which what was lost is published again, behind what was not. `wakes` are all wakes of `agents`.
   */
  expectAllWell(
    wakes: readonly Wake[],
    agents: readonly Agent[],
    order?: "published" | "stored",
  ): Promise<void>;
  /** What a service has written so far. */
  log(name: ServiceName, index: number): string;
  /** The end of every service's log, for a failure. */
  logs(): string;
  stop(): Promise<void>;
}

/** 64, as every new installation has. */
const partitions = 64;
/** Of each log: enough to see what a service was doing when it failed. */
const logTailBytes = 3_000;

/** A cluster of one test: stopped when that is over, its logs shown when that failed. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cluster = await openCluster(options);
  onTestFinished(() => cluster.stop());
  onTestFinished(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${task.name}\n${cluster.logs()}\n`);
  });
  return cluster;
}

/**
 * One cluster for all tests of a file, to be called at its top level; each test leaves it at rest. `options` may be made when it starts,
 * with what has to be there before, and that is stopped after it.
 */
export function clusterOfFile(
  options: ClusterOptions | (() => Promise<ClusterOptions>) = {},
): () => Cluster {
  let cluster: Cluster | undefined;
  beforeAll(async () => {
    cluster = await openCluster(typeof options === "function" ? await options() : options);
  });
  afterAll(() => cluster?.stop());
  afterEach(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${task.name}\n${cluster?.logs()}\n`);
  });
  return () => {
    if (!cluster) throw new Error("a test of the file has to be running");
    return cluster;
  };
}

/** Starts everything; whoever opens it stops it. */
export async function openCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const cleanups: (() => unknown)[] = [];
  const stop = async (): Promise<void> => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
  };
  try {
    const scratch = mkdtempSync(join(tmpdir(), "reveille-cluster-"));
    cleanups.push(() => rmSync(scratch, { recursive: true, force: true }));
    const { natsUrlOf = (url) => url, natsServers, postgres, databaseUrlOf, env } = options;
    const nats = options.nats ?? (natsServers ? undefined : await startTestNats());
    if (nats && !options.nats) cleanups.push(() => nats.stop());
    const { url, serviceUrl } = (natsServers ?? nats)!;
    const system = await startWholeSystem({
      natsUrl: natsUrlOf(serviceUrl),
      partitions,
      counts: {
        gateways: options.gateways ?? 2,
        agentActors: options.agentActors ?? 2,
        runners: options.runners ?? 2,
      },
      ...(postgres ? { postgresUrl: postgres.url } : {}),
      ...(databaseUrlOf ? { databaseUrlOf } : {}),
      ...(env ? { env } : {}),
    });
    cleanups.push(() => system.stop());
    const client = await openWakeClient(url);
    cleanups.push(() => client.close());
    const bus = await connectBus({ url: serviceUrl, name: "cluster-test" });
    cleanups.push(() => bus.close());
    const created = await system.call("POST", "/companies", { name: "Cluster" });
    return clusterOf({
      system,
      get nats() {
        if (!nats) throw new Error("the caller has the servers of this cluster");
        return nats;
      },
      client,
      bus,
      witness: openWitness(scratch),
      companyId: String(created.body["id"]),
      stop,
    });
  } catch (error) {
    await stop();
    throw error;
  }
}

function clusterOf(
  parts: Pick<Cluster, "system" | "nats" | "client" | "bus" | "witness" | "companyId" | "stop">,
): Cluster {
  const { system, witness, companyId } = parts;
  const slotsOf = new Map<string, number>();
  const rows = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    (await system.database.query<Row>(sql, values)).rows;
  const cluster: Cluster = {
    system,
    witness,
    companyId,
    client: parts.client,
    bus: parts.bus,
    stop: parts.stop,
    get nats() {
      return parts.nats;
    },
    rows,
    agents: (count, lives, slots = 1) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          const { status, body } = await system.call("POST", `/companies/${companyId}/agents`, {
            name: `Witness ${randomUUID().slice(0, 8)}`,
            adapterType: "process",
            adapterConfig: witness.agent(lives, slots === 1),
            runtimeConfig: { heartbeat: { maxConcurrentRuns: slots } },
          });
          if (status !== 201) throw new Error(`no agent: ${JSON.stringify(body)}`);
          slotsOf.set(String(body["id"]), slots);
          return { companyId, agentId: String(body["id"]), slots };
        }),
      ),
    issues: (count) =>
      Promise.all(
        Array.from({ length: count }, async (_, n) => {
          const { status, body } = await system.call("POST", `/companies/${companyId}/issues`, {
            title: `Issue ${n}`,
          });
          if (status !== 201) throw new Error(`no issue: ${JSON.stringify(body)}`);
          return String(body["id"]);
        }),
      ),
    process: (name, index) => {
      const found = system.stack.service(name).find((one) => one.index === index);
      if (!found) throw new Error(`there is no ${name} ${index}`);
      return found;
    },
    gateway: (index) => {
      const url = cluster.process("gateway", index).ready?.http;
      if (!url) throw new Error(`gateway ${index} was never ready`);
      return url;
    },
    ownerOf: async (agentId) => {
      const partition = partitionOf(agentId, partitions);
      const [row] = await rows<{ owner: string | null }>(
        "select owner from partitions where partition = $1",
        [partition],
      );
      return row?.owner ?? null;
    },
    atRest: (wakes, timeoutMs) => atRest(cluster, wakes, timeoutMs),
    expectAllWell: (wakes, agents, order = "published") =>
      expectAllWell(cluster, { wakes, agents, order, slotsOf }),
    log: (name, index) => readFileSync(cluster.process(name, index).logFile, "utf8"),
    logs: () =>
      (["agent-actor", "runner", "gateway"] as const)
        .flatMap((name) => system.stack.service(name))
        .map(
          ({ name, index, logFile }) =>
            `--- ${name} ${index}\n${readFileSync(logFile, "utf8").slice(-logTailBytes)}`,
        )
        .join("\n"),
  };
  return cluster;
}

async function atRest(cluster: Cluster, wakes: readonly Wake[], timeoutMs: number): Promise<void> {
  const agentIds = wakes.map(({ agentId }) => agentId);
  const wakeIds = wakes.map(({ id }) => id);
  let last: object | undefined;
  await until(
    "everything is over",
    async () => {
      const progress = await progressOf(cluster.system.database);
      const [undecided] = await cluster.rows<{ n: number; example: string | null }>(
        `select count(*)::int as n, min(x.wake) as example from unnest($1::uuid[], $2::text[]) as x(agent, wake)
          left join wake_verdicts v on v.agent_id = x.agent and v.wake_id = x.wake where v.wake_id is null`,
        [agentIds, wakeIds],
      );
      last = { ...progress, undecided };
      const { openWakes, openRuns, owed } = progress;
      return undecided!.n + openWakes + openRuns + owed === 0;
    },
    { timeoutMs, describe: () => ({ ...last, wakes: wakes.length }) },
  );
}

interface Judged {
  wakes: readonly Wake[];
  agents: readonly Agent[];
  order: "published" | "stored";
  /** Of every agent that the cluster ever had. */
  slotsOf: ReadonlyMap<string, number>;
}

async function expectAllWell(
  cluster: Cluster,
  { wakes, agents, order, slotsOf }: Judged,
): Promise<void> {
  const { system, witness, bus } = cluster;
  const verdicts = await cluster.rows<{ wake_id: string; outcome: string; run_id: string | null }>(
    "select wake_id, verdict ->> 'outcome' as outcome, run_id from wake_verdicts",
  );
  const known = new Map(verdicts.map((row) => [row.wake_id, row]));
  expect(wakes.filter(({ id }) => !known.has(id)).map(({ id }) => id)).toEqual([]);
  expect(await ledgerViolations(system.database, { bus, witnessFile: witness.file })).toEqual([]);
  const names = topologyNames("rv");
  // An execution whose acknowledgement got lost comes again after the consumer's wait (5 s), is refused, and goes.
  await until(
    "no execution is stored",
    async () => (await streamFacts(bus, names.exec))?.messages === 0,
    { describe: () => streamFacts(bus, names.exec) },
  );
  const locks = await openBucket(bus, names.issueLocks);
  await until("no issue is locked", async () => (await locks.keys()).length === 0, {
    describe: async () =>
      (await Promise.all((await locks.keys()).map((key) => locks.get(key)))).map((entry) =>
        Buffer.from(entry?.value ?? "").toString(),
      ),
  });
  const lines = witness.lines();
  expect(witnessViolations(lines, slotsOf)).toEqual([]);

  // Order is promised among wakes that wait for nothing but a slot, and is to be seen where there is one.
  const stored = await cluster.rows<{ id: string }>(
    // By JetStream's own time: a store that was rolled back gives numbers again.
    "select id from heartbeat_runs where issue_id is null order by created_at, generation, stream_seq",
  );
  const published = wakes
    .filter(({ id }) => known.get(id)?.outcome === "queued")
    .map(({ companyId, agentId, id }) => runIdOfWake(companyId, agentId, id));
  const wanted = order === "stored" ? stored.map(({ id }) => id) : published;
  const free = new Set(stored.map(({ id }) => id));
  for (const { agentId, slots } of agents) {
    if (slots > 1) continue;
    const seen = firstStarts(lines, agentId).filter((runId) => free.has(runId));
    const own = new Set(seen);
    expect(seen).toEqual(wanted.filter((runId) => own.has(runId)));
  }
}

/** Numbers from a printed seed (mulberry32), so that a failure can be repeated. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
