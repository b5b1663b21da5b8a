/**
 * Makes JetStream hold what `protocol/topology.ts` says, and reads back what the server really made:
 * an old server accepts settings that it does not know and drops them without a word.
 */
import { JetStreamApiError, RetentionPolicy } from "@nats-io/jetstream";
import type { StreamConfig } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { brokerUnavailable, wrongVersion } from "../errors.js";
import { topology } from "../protocol/topology.js";
import type { TopologySizes } from "../protocol/topology.js";
import type { Subjects } from "../protocol/subjects.js";
import type { NatsBus } from "./bus.js";
import { ensurePoolConsumer } from "./work-queue.js";

/** Message TTLs, subject transforms, batch reads: everything that is used is in 2.12. */
const serverFloor = [2, 12, 0];

/** @throws RuntimeError `WrongVersion` for a server below the floor. */
export function checkServerVersion(bus: NatsBus): void {
  const version = bus.serverVersion.split(/[.-]/).slice(0, 3).map(Number);
  for (const [at, least] of serverFloor.entries()) {
    const part = version[at] ?? 0;
    if (part > least) return;
    if (part < least)
      throw wrongVersion(
        `nats-server ${bus.serverVersion} is too old: ${serverFloor.join(".")} is the least`,
      );
  }
}

export interface TopologyChange {
  name: string;
  change: "created" | "updated" | "none";
}

/**
 * Creates what is missing, updates what differs, and compares what the server echoes. Safe to repeat.
 * @throws RuntimeError `WrongVersion` when the server does not keep a setting, `BrokerUnavailable`.
 */
export async function ensureTopology(
  bus: NatsBus,
  subjects: Subjects,
  generation: number,
  partitions: number,
  sizes: TopologySizes,
): Promise<TopologyChange[]> {
  const wanted = topology(subjects, generation, partitions, sizes);
  const changes: TopologyChange[] = [];
  for (const stream of wanted.streams)
    changes.push(await ensureStream(bus, stream as unknown as StreamConfig));
  const kvm = new Kvm(bus.js);
  for (const { name, ttlMs, replicas } of wanted.buckets) {
    const existed = await exists(bus, `KV_${name}`);
    if (!existed)
      await kvm.create(name, { history: 1, replicas, ...(ttlMs > 0 ? { ttl: ttlMs } : {}) });
    changes.push({ name, change: existed ? "none" : "created" });
  }
  for (const pool of sizes.pools) await ensurePoolConsumer(bus, subjects, pool);
  return changes;
}

async function ensureStream(bus: NatsBus, wanted: StreamConfig): Promise<TopologyChange> {
  let change: TopologyChange["change"] = "none";
  let echoed: StreamConfig;
  try {
    echoed = (await bus.jsm.streams.info(wanted.name)).config;
    if (differences(wanted, echoed).length > 0) {
      change = "updated";
      echoed = (await bus.jsm.streams.update(wanted.name, wanted)).config;
    }
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === 10059))
      throw brokerUnavailable(`cannot keep ${wanted.name}: ${(error as Error).message}`, error);
    change = "created";
    echoed = (await bus.jsm.streams.add(wanted)).config;
  }
  const dropped = differences(wanted, echoed);
  if (dropped.length > 0)
    throw wrongVersion(
      `the server did not keep these settings of ${wanted.name}: ${dropped.join(", ")}`,
    );
  return { name: wanted.name, change };
}

/** Settings that differ from what is wanted; what is not wanted explicitly may be anything. */
function differences(wanted: StreamConfig, echoed: StreamConfig): string[] {
  return Object.entries(wanted)
    .filter(([key, value]) => {
      const got = (echoed as unknown as Record<string, unknown>)[key];
      if (value === 0 || value === RetentionPolicy.Limits)
        return got !== undefined && got !== value && got !== 0;
      return JSON.stringify(got) !== JSON.stringify(value);
    })
    .map(([key]) => key);
}

async function exists(bus: NatsBus, stream: string): Promise<boolean> {
  try {
    await bus.jsm.streams.info(stream);
    return true;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === 10059) return false;
    throw brokerUnavailable(`cannot read ${stream}: ${(error as Error).message}`, error);
  }
}
