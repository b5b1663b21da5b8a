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
import { expect, onTestFinished } from "vitest";
import { ledgerViolations, progressOf } from "./ledger.js";
import { startTestNats, type TestNats } from "./nats.js";
import { until } from "./until.js";
import { openWakeClient, type Wake, type WakeClient } from "./wake-client.js";
import { startWholeSystem, type WholeSystem } from "./whole-system.js";
import { firstStarts, openWitness, witnessViolations, type Witness } from "./witness.js";

export interface ClusterOptions {
  agentActors?: number;
  runners?: number;
  env?: Partial<Record<ServiceName, NodeJS.ProcessEnv>>;
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
  /** Id of the host that owns an agent's partition now. */
  ownerOf(agentId: string): Promise<string | null>;
  /** Everything that was woken is over; fails with how far it came. */
  atRest(wakes: readonly Wake[], timeoutMs: number): Promise<void>;
  /**
   * The verdict of all tests: nothing lost, doubled, overlapping or left over, nothing out of order. `stored`: order is that of the
   * stream; for tests in which what was lost is published again, behind what was not.
   */
  expectAllWell(
    wakes: readonly Wake[],
    agents: readonly Agent[],
    order?: "published" | "stored",
  ): Promise<void>;
  /** The end of every service's log, for a failure. */
  logs(): string;
}

/** 64, as every new installation has. */
const partitions = 64;
/** Of each log: enough to see what a service was doing when it failed. */
const logTailBytes = 3_000;

/** Starts everything; it is stopped when the test is over. */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const scratch = mkdtempSync(join(tmpdir(), "reveille-cluster-"));
  onTestFinished(() => rmSync(scratch, { recursive: true, force: true }));
  const nats = await startTestNats();
  onTestFinished(() => nats.stop());
  const system = await startWholeSystem({
    natsUrl: nats.serviceUrl,
    partitions,
    counts: { gateways: 1, agentActors: options.agentActors ?? 2, runners: options.runners ?? 2 },
    ...(options.env ? { env: options.env } : {}),
  });
  onTestFinished(() => system.stop());
  const client = await openWakeClient(nats.url);
  onTestFinished(() => client.close());
  const bus = await connectBus({ url: nats.serviceUrl, name: "cluster-test" });
  onTestFinished(() => bus.close());
  const created = await system.call("POST", "/companies", { name: "Cluster" });
  const parts = {
    system,
    nats,
    client,
    bus,
    witness: openWitness(scratch),
    companyId: String(created.body["id"]),
  };
  const cluster = clusterOf(parts);
  onTestFinished(({ task }) => {
    if (task.result?.state === "fail") process.stderr.write(`${task.name}\n${cluster.logs()}\n`);
  });
  return cluster;
}

function clusterOf(
  parts: Pick<Cluster, "system" | "nats" | "client" | "bus" | "witness" | "companyId">,
): Cluster {
  const { system, witness, companyId } = parts;
  const rows = async <Row extends object>(sql: string, values: unknown[] = []): Promise<Row[]> =>
    (await system.database.query<Row>(sql, values)).rows;
  const cluster: Cluster = {
    ...parts,
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
      const found = system.stack.service(name)[index];
      if (!found) throw new Error(`there is no ${name} ${index}`);
      return found;
    },
    ownerOf: async (agentId) => {
      const partition = partitionOf(agentId, partitions);
      const [row] = await rows<{ owner: string | null }>(
        "select owner from partitions where partition = $1",
        [partition],
      );
      return row?.owner ?? null;
    },
    atRest: async (wakes, timeoutMs) => {
      let last: Awaited<ReturnType<typeof progressOf>> | undefined;
      await until(
        "everything is over",
        async () => {
          last = await progressOf(system.database);
          const { verdicts, openWakes, openRuns, owed } = last;
          return verdicts >= wakes.length && openWakes + openRuns + owed === 0;
        },
        { timeoutMs, describe: () => ({ ...last, wakes: wakes.length }) },
      );
    },
    expectAllWell: (wakes, agents, order = "published") =>
      expectAllWell(cluster, wakes, agents, order),
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

async function expectAllWell(
  cluster: Cluster,
  wakes: readonly Wake[],
  agents: readonly Agent[],
  order: "published" | "stored",
): Promise<void> {
  const { system, witness, bus } = cluster;
  const verdicts = await cluster.rows<{ wake_id: string; outcome: string; run_id: string | null }>(
    "select wake_id, verdict ->> 'outcome' as outcome, run_id from wake_verdicts",
  );
  const known = new Map(verdicts.map((row) => [row.wake_id, row]));
  expect(wakes.filter(({ id }) => !known.has(id)).map(({ id }) => id)).toEqual([]);
  expect(await ledgerViolations(system.database)).toEqual([]);
  const names = topologyNames("rv");
  expect((await streamFacts(bus, names.exec))?.messages).toBe(0);
  const locks = await openBucket(bus, names.issueLocks);
  await until("no issue is locked", async () => (await locks.keys()).length === 0, {
    describe: async () =>
      (await Promise.all((await locks.keys()).map((key) => locks.get(key)))).map((entry) =>
        Buffer.from(entry?.value ?? "").toString(),
      ),
  });
  const lines = witness.lines();
  expect(
    witnessViolations(lines, new Map(agents.map(({ agentId, slots }) => [agentId, slots]))),
  ).toEqual([]);

  // Order is promised among wakes that wait for nothing but a slot, and is to be seen where there is one.
  const stored = await cluster.rows<{ id: string }>(
    "select id from heartbeat_runs where issue_id is null order by generation, stream_seq",
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
