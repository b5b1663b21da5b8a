/**
 * What an actor host talks to: time, NATS, Postgres, the topology that must be there. Everything else of the
 * host reaches the world through these ports alone. Opened in order, checked, closed together.
 */
import { openBucket } from "@reveille/shared/nats/bucket";
import type { Bucket } from "@reveille/shared/nats/bucket";
import { connectBus } from "@reveille/shared/nats/bus";
import type { Bus, NatsBus } from "@reveille/shared/nats/bus";
import { natsStreams } from "@reveille/shared/nats/streams";
import type { Streams } from "@reveille/shared/nats/streams";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { checkServerVersion } from "@reveille/shared/nats/topology-keeper";
import { wrongVersion } from "@reveille/shared/errors";
import { checkSchema } from "@reveille/shared/postgres/migrate";
import { createPool } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import { inboxPrefixes } from "@reveille/shared/protocol/inboxes";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { TopologyNames } from "@reveille/shared/protocol/topology";
import { pause, systemClock } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { openTracing } from "@reveille/shared/runtime/open-tracing";
import { tracingConfig } from "@reveille/shared/runtime/tracing-config";
import type { Tracing } from "@reveille/shared/runtime/tracing";
import { keeperIdentity, topologySizes } from "@reveille/shared/runtime/topology-config";
import type { ActorConfig } from "../config.js";
import { keepTopology } from "./keeper.js";
import type { KeeperContext } from "./keeper.js";

export interface Connections {
  subjects: Subjects;
  names: TopologyNames;
  clock: Clock;
  pool: Sql;
  /** For the lease and for ownership alone: a pool that is busy must not cost the lease. */
  leasePool: Sql;
  bus: Bus;
  streams: Streams;
  publisher: StoredPublisher;
  tracing: Tracing;
  issueLocks: Bucket;
  runnerLeases: Bucket;
  keeper: KeeperContext;
  close(): Promise<void>;
}

/** 30 s for another host, or this one, to make the streams. */
const topologyWaitMs = 30_000;
const topologyPollMs = 500;

/** @throws RuntimeError when a server is out of reach, too old, or the schema is not this version's. */
export async function openConnections(
  config: ActorConfig,
  hostId: string,
  logger: Logger,
): Promise<Connections> {
  const subjects = createSubjects(config.REVEILLE_SUBJECT_PREFIX);
  const names = topologyNames(subjects.prefix);
  const onError = (error: Error): void =>
    logger.warn({ err: error }, "a database connection failed");
  const url = config.DATABASE_URL;
  const pool = createPool({
    url,
    // With the host's id, so that what is recorded of writes says who wrote.
    name: `reveille-agent-actor-${hostId}`,
    size: config.REVEILLE_DATABASE_POOL,
    keyedPlans: true,
    onError,
  });
  const leasePool = createPool({
    url,
    name: "reveille-host-lease",
    size: 1,
    statementTimeoutMs: 2_000,
    onError,
  });
  await checkSchema(pool);
  const bus = await connectBus({
    url: config.NATS_URL,
    name: `reveille-agent-actor-${hostId}`,
    inboxPrefix: inboxPrefixes.agentActor,
    credsFile: config.NATS_CREDS_FILE,
    nkeyFile: config.NATS_NKEY_FILE,
    onError: (error) => logger.error({ err: error }, "NATS says no"),
  });
  checkServerVersion(bus);
  const keeperBus = await connectKeeper(config, hostId, bus, logger);
  const clock = systemClock;
  const streams = natsStreams(bus, config.REVEILLE_JETSTREAM_REPLICAS);
  const sizes = topologySizes(config);
  const loss = { announced: false };
  const topologyOf = { streams: natsStreams(keeperBus), link: keeperBus };
  const keeper = { pool, bus, ...topologyOf, clock, subjects, sizes, loss, hostId, logger };
  await untilTopology(bus, keeper, [names.issueLocks, names.runnerLeases]);
  const publisher = new StoredPublisher(bus);
  const tracing = await openTracing("agent-actor", tracingConfig(config), logger);
  return {
    subjects,
    names,
    clock,
    pool,
    leasePool,
    bus,
    streams,
    publisher,
    tracing,
    issueLocks: await openBucket(bus, names.issueLocks),
    runnerLeases: await openBucket(bus, names.runnerLeases),
    keeper,
    close: async () => {
      publisher.close();
      await tracing.close();
      await bus.close();
      if (keeperBus !== bus) await keeperBus.close();
      await Promise.all([pool.end(), leasePool.end()]);
    },
  };
}

/** The keeper's own connection, or the service's when nothing else is configured. */
async function connectKeeper(
  config: ActorConfig,
  hostId: string,
  bus: NatsBus,
  logger: Logger,
): Promise<NatsBus> {
  const identity = keeperIdentity(config);
  if (!identity) return bus;
  return connectBus({
    ...identity,
    name: `reveille-keeper-${hostId}`,
    inboxPrefix: inboxPrefixes.keeper,
    onError: (error) => logger.error({ err: error }, "NATS says no to the topology keeper"),
  });
}

/** Keeps the topology, or waits for the host that does. */
async function untilTopology(
  bus: NatsBus,
  keeper: KeeperContext,
  buckets: readonly string[],
): Promise<void> {
  for (let waitedMs = 0; waitedMs < topologyWaitMs; waitedMs += topologyPollMs) {
    await keepTopology(keeper);
    // Opening binds to a name alone; what it was created with is known only to a bucket that is there.
    const there = await Promise.all(
      buckets.map(async (name) => (await openBucket(bus, name)).createdAtMs()),
    ).then(
      () => true,
      () => false,
    );
    if (there) return;
    await pause(systemClock, topologyPollMs);
  }
  throw wrongVersion(
    "no actor host made the streams: is a topology keeper of another version at work?",
  );
}
