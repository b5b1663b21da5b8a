/**
 * Ownership: renews the host's lease, takes the partitions that rendezvous hashing gives to this host,
 * hands over what it gives to others, and steps down from what was lost. Placement is pure
 * (`core/placement.ts`); who really owns is decided by Postgres alone.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import type { Pool } from "@reveille/shared/postgres/pool";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Logger } from "@reveille/shared/runtime/log";
import { desiredPartitions } from "../core/placement.js";
import type { HostLease, HostView } from "./host-lease.js";
import type { Partition } from "./partition.js";
import { releasePartitions, takePartitions } from "./partition-rows.js";
import type { PartitionRow } from "./partition-rows.js";

export interface Host {
  readonly partitions: ReadonlyMap<number, Partition>;
  /** The generation in force, as last read. */
  readonly generation: number;
  generationSeen(generation: number): void;
  /** Renews and rebalances now; never throws. */
  beat(): Promise<void>;
  stepDown(partitions: readonly Partition[], reason: string): void;
  /** Every partition is read anew from its cursor. */
  reopenAll(reason: string): void;
  /** Hands everything over and gives the lease back. */
  leave(): Promise<void>;
}
export interface HostContext {
  hostId: string;
  pool: Pool;
  bus: Bus;
  subjects: Subjects;
  lease: HostLease;
  logger: Logger;
  openPartition: (row: PartitionRow) => Partition;
  dropActivations: (partition: number) => void;
}

export function createHost(context: HostContext): Host {
  const { hostId, pool, bus, subjects, lease, logger } = context;
  const partitions = new Map<number, Partition>();
  let generation = 0;
  let beating: Promise<void> | null = null;
  let leaving = false;

  const forget = (partition: Partition): void => {
    if (partitions.get(partition.number) === partition) partitions.delete(partition.number);
    context.dropActivations(partition.number);
    partition
      .close()
      .catch((error: unknown) => logger.warn({ err: error }, "closing a partition failed"));
  };
  const generationSeen = (seen: number): void => {
    if (seen <= generation) return;
    const first = generation === 0;
    generation = seen;
    if (first) return;
    logger.warn({ generation }, "a new generation of the mailbox stream");
    for (const partition of partitions.values()) partition.reopen(`generation ${seen}`);
  };
  const tell = (hosts: Iterable<string>): void => {
    for (const other of hosts)
      if (other !== hostId) bus.publish(subjects.handover(other), new Uint8Array());
  };

  /** What belongs to others is drained, released, and the others are told. */
  const handOver = async (given: readonly Partition[], hosts: readonly string[]): Promise<void> => {
    if (given.length === 0) return;
    for (const partition of given) {
      partitions.delete(partition.number);
      await partition.close();
    }
    // A batch in flight holds their cursors: it ends (or is fenced) before the next owner reads them.
    await Promise.all(given.map((partition) => untilFree(partition)));
    await releasePartitions(
      pool,
      hostId,
      given.map((partition) => partition.number),
    );
    for (const partition of given) context.dropActivations(partition.number);
    logger.info({ partitions: given.length }, "handed over");
    tell(hosts);
  };

  const rebalance = async (view: HostView): Promise<void> => {
    const desired = desiredPartitions(hostId, view.hosts, view.partitionCount);
    const live = new Set(view.hosts);
    for (const { partition, owner, epoch } of view.owners) {
      const own = partitions.get(partition);
      if (own && (owner !== hostId || epoch !== own.epoch)) {
        logger.warn({ partition }, "ownership is gone");
        forget(own);
      }
    }
    // An owner of our id that we do not hold is an earlier life of this loop: released, then taken anew.
    const stale = view.owners.filter(
      ({ partition, owner }) => owner === hostId && !partitions.has(partition),
    );
    if (stale.length > 0)
      await releasePartitions(
        pool,
        hostId,
        stale.map(({ partition }) => partition),
      );
    const free = view.owners.filter(
      ({ partition, owner }) =>
        desired.has(partition) &&
        !partitions.has(partition) &&
        (owner === null || owner === hostId || !live.has(owner)),
    );
    if (free.length > 0) {
      const taken = await takePartitions(
        pool,
        hostId,
        free.map(({ partition }) => partition),
      );
      for (const row of taken) {
        // All that is cached for a partition is read after it was taken.
        context.dropActivations(row.partition);
        partitions.set(row.partition, context.openPartition(row));
      }
      logger.info(
        { partitions: taken.length, owned: partitions.size, hosts: view.hosts.length },
        "took over",
      );
    }
    await handOver(
      [...partitions.values()].filter(({ number }) => !desired.has(number)),
      view.hosts,
    );
  };

  const beatOnce = async (): Promise<void> => {
    try {
      const view = await lease.renew();
      generationSeen(view.generation);
      if (!leaving) await rebalance(view);
    } catch (error) {
      logger.warn({ err: error }, "the lease could not be renewed");
    }
  };
  return {
    partitions,
    get generation() {
      return generation;
    },
    generationSeen,
    beat: () => (beating ??= beatOnce().finally(() => (beating = null))),
    stepDown: (lost, reason) => {
      logger.warn({ reason, partitions: lost.map(({ number }) => number) }, "stepping down");
      for (const partition of lost) forget(partition);
    },
    reopenAll: (reason) => {
      for (const partition of partitions.values()) partition.reopen(reason);
    },
    leave: async () => {
      leaving = true;
      await beating;
      const others = await lease.renew().then(
        (view) => view.hosts,
        () => [],
      );
      await handOver([...partitions.values()], []);
      await lease.resign();
      tell(others);
    },
  };
}

/** 5 s: a batch that takes longer is past its statement timeout and fenced by the release anyway. */
const freeWaitMs = 5_000;

async function untilFree(partition: Partition): Promise<void> {
  const until = performance.now() + freeWaitMs;
  while (partition.busy && performance.now() < until) await new Promise((go) => setTimeout(go, 5));
}
