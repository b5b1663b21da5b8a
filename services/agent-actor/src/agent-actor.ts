/**
 * An actor host: wires its parts and runs their periods. Reads like a table of contents; every rule is
 * in the part that it names.
 */
import { newId } from "@reveille/shared/protocol/ids";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Started } from "@reveille/shared/runtime/main";
import type { ActorConfig } from "./config.js";
import { openConnections } from "./shell/connections.js";
import type { Connections } from "./shell/connections.js";
import { removeDeletedAgents } from "./shell/deleted-agents.js";
import { announceGap } from "./shell/gap.js";
import { startHealth } from "./shell/health.js";
import { Host } from "./shell/host.js";
import { keepTopology } from "./shell/keeper.js";
import { watchLockBucket } from "./shell/lock-bucket.js";
import type { LockBucketWatch } from "./shell/lock-bucket.js";
import { Partition } from "./shell/partition.js";
import type { PartitionContext } from "./shell/partition.js";
import { raiseGeneration } from "./shell/partition-rows.js";
import { every } from "./shell/periods.js";
import { createLockSweep } from "./shell/lock-sweep.js";
import { grantTo, reconcile } from "./shell/reconcile.js";
import { removeOld } from "./shell/retention.js";
import { Scheduler } from "./shell/scheduler.js";
import { answerSecrets } from "./shell/secret-responder.js";
import { Trimmer } from "./shell/trim.js";
import { assembleTools } from "./tools.js";
import type { Tools } from "./tools.js";

/** Rows younger than this are under way, not owed. */
const reconcileAgeMs = 5_000;

export async function startAgentActor(config: ActorConfig, logger: Logger): Promise<Started> {
  const hostId = newId();
  return startHost(config, hostId, await openConnections(config, hostId, logger), logger);
}

/** Starts a host on its ports: real ones, or those of a simulation. */
export async function startHost(
  config: ActorConfig,
  hostId: string,
  connections: Connections,
  logger: Logger,
): Promise<Started> {
  const tools = await assembleTools(config, hostId, connections, logger);
  const parts = { ...tools, ...assembleHost(config, hostId, connections, tools, logger) };
  const { host, timers, scheduler, owed } = parts;
  listen(hostId, connections, parts);
  const { masterKey } = config.keys;
  const secrets = answerSecrets({ ...connections, masterKey, logger });
  // Before the first partition reconciles: from then on what a bucket lacks is noticed here.
  const lockBucket = await watchLockBucket(connections.issueLocks, () =>
    reconcile(parts.reconciling, readOnes(host), 0),
  );
  await host.beat();
  await timers.refresh([...host.partitions.keys()]);
  const periods = startPeriods(config, connections, { ...parts, lockBucket }, logger);
  const health = await startHealth(config, { ...connections, ...parts });
  logger.info({ hostId, partitions: host.partitions.size }, "actor host is up");
  return {
    ready: { hostId },
    stop: async () => {
      secrets.unsubscribe();
      await health.stop();
      for (const period of periods) await period.stop();
      timers.stop();
      await scheduler.drain();
      await host
        .leave()
        .catch((error: unknown) => logger.warn({ err: error }, "left without a hand-over"));
      await owed.stop();
      await connections.close();
    },
  };
}

type Parts = Tools & ReturnType<typeof assembleHost>;

/** The host with its partitions, and the scheduler that feeds on them. */
function assembleHost(
  config: ActorConfig,
  hostId: string,
  connections: Connections,
  tools: Tools,
  logger: Logger,
) {
  const { bus, clock, streams, pool, leasePool, subjects, names } = connections;
  const { lease, trusted, activations, companies, locks, perform, reconciling, tally, timers } =
    tools;
  const { traces } = tools;
  // The three know each other: partitions wake the scheduler, the scheduler reports to the host.
  const host: Host = new Host({
    hostId,
    pool: leasePool,
    bus,
    clock,
    subjects,
    lease,
    leaseTtlMs: config.REVEILLE_HOST_LEASE_TTL_MS,
    failpoint: tools.failpoint,
    metrics: tools.metrics,
    logger,
    dropActivations: (partition) => activations.dropPartition(partition),
    openPartition: (row) => new Partition(row, partitionContext),
  });
  const partitionContext: PartitionContext = {
    clock,
    streams,
    pool,
    logger,
    subjects,
    stream: names.mailbox,
    generation: () => host.generation,
    sentinelGone: async ({ generation: seen, partition, cursorSeq }) => {
      const { generation, raised } = await raiseGeneration(pool, seen);
      host.generationSeen(generation);
      if (raised)
        await announceGap(connections.keeper, {
          generation,
          why: "sentinel gone",
          partition,
          appliedSeq: cursorSeq,
        });
    },
    reconcile: async (partition) => {
      await reconcile(reconciling, [partition], 0);
      await timers.adopt(partition);
    },
    arrived: () => scheduler.arrived(),
    lost: (number) => host.lost(number, "the partition's row says so"),
  };
  const scheduler: Scheduler = new Scheduler({
    clock,
    pool,
    logger,
    activations,
    companies,
    locks,
    trusted,
    perform,
    tally,
    traces,
    failpoint: tools.failpoint,
    partitions: () => host.partitions.values(),
    batchMax: config.REVEILLE_BATCH_MAX,
    inFlightMax: config.REVEILLE_BATCHES_IN_FLIGHT,
    stepDown: (partitions, reason) => host.stepDown(partitions, reason),
  });
  return { host, scheduler };
}

/** What comes by core NATS, and what the connection itself says. */
function listen(
  hostId: string,
  { bus, subjects, keeper }: Connections,
  { host, leases }: Parts,
): void {
  const { logger } = keeper;
  const background = (what: string, work: Promise<void>): void =>
    void work.catch((error: unknown) =>
      logger.warn({ err: error, what }, "done again at its period"),
    );
  bus.subscribe(subjects.handover(hostId), () => background("hand-over", host.beat()));
  bus.subscribe(subjects.generation, () =>
    background(
      "generation",
      host.beat().then(() => keepTopology(keeper)),
    ),
  );
  bus.onState((state) => {
    // From the loss until one lease after the return: a key that is missing then proves nothing.
    if (state !== "closed") leases.disturbed();
    if (state === "connected") host.reopenAll("NATS is back");
  });
}

/** Partitions whose rows this host may redo. */
const readOnes = ({ partitions }: Host): number[] =>
  [...partitions.values()].filter(({ state }) => state === "reading").map(({ number }) => number);

function startPeriods(
  config: ActorConfig,
  connections: Connections,
  parts: Parts & { lockBucket: LockBucketWatch },
  logger: Logger,
) {
  const { bus, clock, streams, subjects, names, keeper, pool } = connections;
  const { host, timers, activations, companies, reconciling, trusted, lockBucket, leases } = parts;
  const trimmer = new Trimmer(streams, subjects, names.mailbox);
  const partitions = () => [...host.partitions.values()];
  const lockSweep = createLockSweep({
    locks: parts.locks,
    generation: () => host.generation,
    grant: (issueId, holder) => parts.perform([grantTo(issueId, holder)]),
  });
  return [
    // A third of the lease: two renewals may fail before it is in danger.
    every(clock, config.REVEILLE_HOST_LEASE_TTL_MS / 3, "renew", logger, () => host.beat()),
    every(clock, 2_000, "topology", logger, () => keepTopology(keeper)),
    // As often as the keeper looks, who makes it.
    every(clock, 2_000, "lock bucket", logger, async () => {
      await lockBucket.check();
      await lockSweep.turn();
    }),
    every(clock, 1_000, "trim", logger, () =>
      trimmer.trim(partitions(), host.generation, () => trusted() && bus.connected),
    ),
    every(clock, 1_000, "companies", logger, () => companies.refresh()),
    every(clock, 10_000, "reconcile", logger, () =>
      reconcile(reconciling, readOnes(host), reconcileAgeMs),
    ),
    // Runner and guard both gone: nobody reports that, and its agents wait for no longer than its lease.
    every(clock, 1_000, "runner leases", logger, async () => {
      if (await leases.ended()) await reconcile(reconciling, readOnes(host), 0);
    }),
    every(clock, 10_000, "timers", logger, () => timers.refresh([...host.partitions.keys()])),
    every(clock, 10_000, "stream gauge", logger, () => parts.streamGauge.look()),
    every(clock, 10_000, "passivation", logger, () => activations.sweep()),
    every(clock, 600_000, "retention", logger, () => removeOld(pool)),
    // Whoever deleted an agent wants it gone soon; without one this is a look at an empty index.
    every(clock, 5_000, "deleted agents", logger, () => removeDeletedAgents(pool)),
  ];
}
