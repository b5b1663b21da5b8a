/** The state of streams, buckets and partitions, put together from NATS and Postgres. Changes nothing. */
import { inspectStream } from "@reveille/shared/nats/inspection";
import type { StreamFacts } from "@reveille/shared/nats/inspection";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { connectOperator } from "./context.js";
import type { Context } from "./context.js";
import { usageFailure } from "./failure.js";
import { readHosts, readMailboxState, readPartitions, withDatabase } from "./record.js";

export interface TopologyFacts {
  generation: number;
  partitionCount: number;
  keeper: string | null;
  streams: (({ found: true } & StreamFacts) | { found: false; name: string })[];
  /** Partitions by owner; `id` null: those without one. */
  hosts: {
    id: string | null;
    leaseMs: number | null;
    version: string | null;
    partitions: number[];
  }[];
}

/** @throws CliFailure when NATS' service credentials or the database are not known here, or do not answer. */
export async function readTopology(context: Context): Promise<TopologyFacts> {
  const url = context.system.serviceNats;
  if (!url)
    throw usageFailure(
      "this needs the system's own NATS credentials",
      "Set NATS_URL=nats://user:password@host, or --data-dir to the folder of a running system.",
    );
  const names = topologyNames(context.system.prefix);
  const bus = await connectOperator(context.system, url);
  try {
    const wanted = [
      names.mailbox,
      names.exec,
      names.logs,
      `KV_${names.issueLocks}`,
      `KV_${names.runnerLeases}`,
    ];
    const streams = await Promise.all(
      wanted.map(async (name) => {
        const facts = await inspectStream(bus, name);
        return facts ? { found: true as const, ...facts } : { found: false as const, name };
      }),
    );
    return { streams, ...(await readOwnership(context)) };
  } finally {
    await bus.close();
  }
}

async function readOwnership(context: Context): Promise<Omit<TopologyFacts, "streams">> {
  return withDatabase(context, async (pool) => {
    const state = await readMailboxState(pool);
    const hosts = await readHosts(pool);
    const partitions = await readPartitions(pool);
    const ownedBy = (id: string | null): number[] =>
      partitions.filter((row) => row.owner === id).map((row) => row.partition);
    const known = hosts.map((host) => ({ ...host, partitions: ownedBy(host.id) }));
    const nobody = partitions
      .filter((row) => !hosts.some((host) => host.id === row.owner))
      .map((row) => row.partition);
    return {
      generation: state?.generation ?? 0,
      partitionCount: state?.partitionCount ?? 0,
      keeper: state?.keeper ?? null,
      hosts:
        nobody.length > 0
          ? [...known, { id: null, leaseMs: null, version: null, partitions: nobody }]
          : known,
    };
  });
}
