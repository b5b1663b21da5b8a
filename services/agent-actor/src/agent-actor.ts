/**
 * An actor host: wires its parts and runs their periods. Reads like a table of contents; every rule is
 * in the part that it names.
 */
import { connectBus } from "@reveille/shared/nats/bus";
import type { Bus } from "@reveille/shared/nats/bus";
import { openBucket } from "@reveille/shared/nats/bucket";
import { createStoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { checkServerVersion } from "@reveille/shared/nats/topology-keeper";
import { createPool } from "@reveille/shared/postgres/pool";
import { checkSchema } from "@reveille/shared/postgres/migrate";
import { newId } from "@reveille/shared/protocol/ids";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { defaultSizes, topologyNames } from "@reveille/shared/protocol/topology";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Started } from "@reveille/shared/runtime/main";
import type { ActorConfig } from "./config.js";
import { createActivations } from "./shell/activations.js";
import { createFailpoint } from "./shell/failpoint.js";
import { createHost } from "./shell/host.js";
import { createHostLease } from "./shell/host-lease.js";
import { createIssueLocks } from "./shell/issue-locks.js";
import { keepTopology } from "./shell/keeper.js";
import { createOwedReleases } from "./shell/owed-releases.js";
import { createPartition } from "./shell/partition.js";
import { createPerform } from "./shell/perform.js";
import { every } from "./shell/periods.js";
import { reconcile } from "./shell/reconcile.js";
import { createRunnerLeases } from "./shell/runner-leases.js";
import { createScheduler } from "./shell/scheduler.js";
import { createTimers } from "./shell/timers.js";
import { createTrimmer } from "./shell/trim.js";

/** This version, as hosts and doctor show it. */
const version = "0.1.0";
/** Rows younger than this are under way, not owed. */
const reconcileAgeMs = 5_000;

export async function startAgentActor(config: ActorConfig, logger: Logger): Promise<Started> {
  const hostId = newId();
  const subjects = createSubjects(config.REVEILLE_SUBJECT_PREFIX);
  const names = topologyNames(subjects.prefix);
  const pool = createPool({
    url: config.DATABASE_URL,
    name: "reveille-agent-actor",
    size: config.REVEILLE_DATABASE_POOL,
    keyedPlans: true,
    onError: (error) => logger.warn({ err: error }, "a database connection failed"),
  });
  // The lease has connections of its own: a pool that is busy must not cost it.
  const leasePool = createPool({
    url: config.DATABASE_URL,
    name: "reveille-host-lease",
    size: 1,
    statementTimeoutMs: 2_000,
  });
  await checkSchema(pool);
  const bus = await connectBus({
    url: config.NATS_URL,
    name: `reveille-agent-actor-${hostId}`,
    inboxPrefix: "_INBOX_actor",
    credsFile: config.NATS_CREDS_FILE,
    onError: (error) => logger.error({ err: error }, "NATS says no"),
  });
  checkServerVersion(bus);
  const sizes = {
    ...defaultSizes,
    replicas: config.REVEILLE_JETSTREAM_REPLICAS,
    runnerLeaseTtlMs: config.REVEILLE_RUNNER_LEASE_TTL_MS,
    ...(config.REVEILLE_LOGS_MAX_BYTES ? { logsBytesMax: config.REVEILLE_LOGS_MAX_BYTES } : {}),
  };
  const keeper = { pool, bus, subjects, sizes, hostId, logger };
  await untilTopology(keeper, bus, names.issueLocks);

  const publisher = createStoredPublisher(bus);
  const lease = createHostLease(leasePool, {
    hostId,
    ttlMs: config.REVEILLE_HOST_LEASE_TTL_MS,
    version,
    logger,
  });
  const trusted = (): boolean => lease.trusted;
  const activations = createActivations({
    idleMs: config.REVEILLE_RESIDENT_IDLE_MS,
    residentMax: config.REVEILLE_RESIDENT_MAX,
  });
  const locks = createIssueLocks(await openBucket(bus, names.issueLocks), pool);
  const leases = await createRunnerLeases(
    await openBucket(bus, names.runnerLeases),
    config.REVEILLE_RUNNER_LEASE_TTL_MS,
  );
  const owed = createOwedReleases(pool, logger);
  const timers = createTimers({ pool, publisher, subjects, logger, trusted });
  const perform = createPerform({
    bus,
    publisher,
    subjects,
    names,
    locks,
    owed,
    setTimer: timers.set,
    logger,
  });
  const reconcileContext = { pool, publisher, subjects, locks, leases, perform, logger };

  const host = createHost({
    hostId,
    pool: leasePool,
    bus,
    subjects,
    lease,
    logger,
    dropActivations: activations.dropPartition,
    openPartition: (row) =>
      createPartition(row, {
        bus,
        pool,
        logger,
        subjects,
        stream: names.mailbox,
        generation: () => host.generation,
        generationRaised: (generation) => {
          host.generationSeen(generation);
          bus.publish(subjects.generation, Buffer.from(String(generation)));
        },
        reconcile: (partition) => reconcile(reconcileContext, [partition], 0),
        arrived: () => scheduler.arrived(),
        lost: (number) => {
          const own = host.partitions.get(number);
          if (own) host.stepDown([own], "the partition's row says so");
        },
      }),
  });
  const scheduler = createScheduler({
    pool,
    logger,
    activations,
    locks,
    trusted,
    perform,
    partitions: () => host.partitions.values(),
    batchMax: config.REVEILLE_BATCH_MAX,
    inFlightMax: config.REVEILLE_BATCHES_IN_FLIGHT,
    failpoint: createFailpoint(config.REVEILLE_FAILPOINT),
    stepDown: (partitions, reason) => host.stepDown(partitions, reason),
  });
  const trimmer = createTrimmer(bus, subjects, names.mailbox);
  const owned = (): number[] => [...host.partitions.keys()];

  bus.subscribe(subjects.handover(hostId), () => void host.beat());
  bus.subscribe(
    subjects.generation,
    () =>
      void host
        .beat()
        .then(() => keepTopology(keeper))
        .catch(() => undefined),
  );
  bus.onState((state) => {
    if (state === "disconnected") leases.disturbed();
    else if (state === "connected") host.reopenAll("NATS is back");
  });

  await host.beat();
  const periods = [
    // A third of the lease: two renewals may fail before it is in danger.
    every(config.REVEILLE_HOST_LEASE_TTL_MS / 3, "renew", logger, () => host.beat()),
    every(2_000, "topology", logger, () => keepTopology(keeper)),
    every(1_000, "trim", logger, () =>
      trimmer.trim(
        [...host.partitions.values()].map((partition) => partition.row),
        host.generation,
        trusted,
      ),
    ),
    every(10_000, "reconcile", logger, () =>
      reconcile(reconcileContext, readOnes(host.partitions.values()), reconcileAgeMs),
    ),
    every(10_000, "timers", logger, () => timers.refresh(owned())),
    every(10_000, "passivation", logger, () => activations.sweep()),
  ];
  await timers.refresh(owned());
  logger.info({ hostId, partitions: host.partitions.size }, "actor host is up");

  return {
    ready: { hostId },
    stop: async () => {
      for (const period of periods) await period.stop();
      timers.stop();
      await scheduler.drain();
      await host
        .leave()
        .catch((error: unknown) => logger.warn({ err: error }, "left without a hand-over"));
      await owed.stop();
      publisher.close();
      await bus.close();
      await Promise.all([pool.end(), leasePool.end()]);
    },
  };
}

const readOnes = (partitions: Iterable<{ number: number; state: string }>): number[] =>
  [...partitions].filter(({ state }) => state === "reading").map(({ number }) => number);

/** Keeps the topology, or waits for the host that does. */
async function untilTopology(
  keeper: Parameters<typeof keepTopology>[0],
  bus: Bus,
  bucket: string,
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    await keepTopology(keeper);
    const there = await openBucket(bus, bucket).then(
      () => true,
      () => false,
    );
    if (there) return;
    if (tries > 60) throw new Error("no topology keeper made the streams within 30 s");
    await new Promise((go) => setTimeout(go, 500));
  }
}
