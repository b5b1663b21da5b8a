/**
 * An actor host: wires its parts and runs their periods. Reads like a table of contents; every rule is
 * in the part that it names.
 */
import { newId } from "@reveille/shared/protocol/ids";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Started } from "@reveille/shared/runtime/main";
import type { ActorConfig } from "./config.js";
import type { Effect } from "./core/decision.js";
import { createActivations } from "./shell/activations.js";
import { createCompanies } from "./shell/companies.js";
import { openConnections } from "./shell/connections.js";
import type { Connections } from "./shell/connections.js";
import { removeDeletedAgents } from "./shell/deleted-agents.js";
import { createFailpoint } from "@reveille/shared/runtime/failpoint";
import { announceGap } from "./shell/gap.js";
import { startHealth } from "./shell/health.js";
import { Host } from "./shell/host.js";
import { createHostLease } from "./shell/host-lease.js";
import { IssueLocks } from "./shell/issue-locks.js";
import { keepTopology } from "./shell/keeper.js";
import { watchLockBucket } from "./shell/lock-bucket.js";
import type { LockBucketWatch } from "./shell/lock-bucket.js";
import { createOwedReleases } from "./shell/owed-releases.js";
import { Partition } from "./shell/partition.js";
import type { PartitionContext } from "./shell/partition.js";
import { raiseGeneration } from "./shell/partition-rows.js";
import { Performer } from "./shell/perform.js";
import { every } from "./shell/periods.js";
import { reconcile } from "./shell/reconcile.js";
import { removeOld } from "./shell/retention.js";
import { createRunTokens } from "./shell/run-tokens.js";
import { createRunnerLeases } from "./shell/runner-leases.js";
import { Scheduler } from "./shell/scheduler.js";
import { answerSecrets } from "./shell/secret-responder.js";
import { createStreamGauge } from "./shell/stream-gauge.js";
import { createTally } from "./shell/tally.js";
import { createTimers } from "./shell/timers.js";
import { Trimmer } from "./shell/trim.js";

/** This version, as hosts and doctor show it. */
const version = "0.1.0";
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
  const natsConnected = (): boolean => connections.bus.connected;
  const health = await startHealth(config, { ...parts, natsConnected });
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

type Parts = Awaited<ReturnType<typeof assembleTools>> & ReturnType<typeof assembleHost>;

/** What hosts and batches work with; each part stands alone. */
async function assembleTools(
  config: ActorConfig,
  hostId: string,
  connections: Connections,
  logger: Logger,
) {
  const { bus, clock, streams, pool, leasePool, subjects, names, publisher } = connections;
  const lease = createHostLease(leasePool, {
    hostId,
    ttlMs: config.REVEILLE_HOST_LEASE_TTL_MS,
    version,
    clock,
    logger,
  });
  const trusted = (): boolean => lease.trusted;
  const streamGauge = createStreamGauge(streams, [names.mailbox, names.exec, names.logs], logger);
  const activations = createActivations({
    clock,
    idleMs: config.REVEILLE_RESIDENT_IDLE_MS,
    residentMax: config.REVEILLE_RESIDENT_MAX,
  });
  const companies = createCompanies(pool);
  const locks = new IssueLocks(connections.issueLocks, pool);
  const leases = await createRunnerLeases(
    connections.runnerLeases,
    config.REVEILLE_RUNNER_LEASE_TTL_MS,
    clock,
  );
  const owed = createOwedReleases(pool, clock, logger);
  const timers = createTimers({
    pool,
    clock,
    nowMs: () => lease.nowMs(),
    publisher,
    subjects,
    logger,
    trusted,
  });
  const failpoint = createFailpoint(config.REVEILLE_FAILPOINT);
  const performer = new Performer({
    bus,
    clock,
    streams,
    pool,
    publisher,
    subjects,
    names,
    locks,
    owed,
    tokens: createRunTokens(config.keys.tokenSecret, clock, logger),
    setTimer: (timer) => timers.set(timer),
    failpoint,
    logger,
  });
  const perform = (effects: readonly Effect[]): void => {
    for (const effect of effects)
      if (effect.kind === "answer" && effect.answer === "go") leases.claimed(effect.incarnation);
    performer.perform(effects);
  };
  const reconciling = { pool, publisher, subjects, locks, leases, perform, logger };

  return {
    lease,
    trusted,
    activations,
    companies,
    locks,
    leases,
    owed,
    failpoint,
    timers,
    tally: createTally(),
    streamGauge,
    perform,
    reconciling,
  };
}

/** The host with its partitions, and the scheduler that feeds on them. */
function assembleHost(
  config: ActorConfig,
  hostId: string,
  connections: Connections,
  tools: Awaited<ReturnType<typeof assembleTools>>,
  logger: Logger,
) {
  const { bus, clock, streams, pool, leasePool, subjects, names } = connections;
  const { lease, trusted, activations, companies, locks, perform, reconciling, tally, timers } =
    tools;
  // The three know each other: partitions wake the scheduler, the scheduler reports to the host.
  const host: Host = new Host({
    hostId,
    pool: leasePool,
    bus,
    clock,
    subjects,
    lease,
    failpoint: tools.failpoint,
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
  const { clock, streams, subjects, names, keeper, pool } = connections;
  const { host, timers, activations, companies, reconciling, trusted, lockBucket, leases } = parts;
  const trimmer = new Trimmer(streams, subjects, names.mailbox);
  const partitions = () => [...host.partitions.values()];
  return [
    // A third of the lease: two renewals may fail before it is in danger.
    every(clock, config.REVEILLE_HOST_LEASE_TTL_MS / 3, "renew", logger, () => host.beat()),
    every(clock, 2_000, "topology", logger, () => keepTopology(keeper)),
    // As often as the keeper looks, who makes it.
    every(clock, 2_000, "lock bucket", logger, () => lockBucket.check()),
    every(clock, 1_000, "trim", logger, () =>
      trimmer.trim(
        partitions().map(({ row }) => row),
        host.generation,
        trusted,
      ),
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
