/**
 * What a runner reaches the world through: time, NATS, its guard, process trees, files. The real ones are
 * opened here; a simulation brings its own. Decides nothing.
 */
import { hostname } from "node:os";
import { openBucket } from "@reveille/shared/nats/bucket";
import type { Bucket } from "@reveille/shared/nats/bucket";
import { connectBus } from "@reveille/shared/nats/bus";
import type { Bus, NatsBus } from "@reveille/shared/nats/bus";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { ensurePoolConsumer, openWorkQueue } from "@reveille/shared/nats/work-queue";
import type { WorkQueue, WorkQueueOptions } from "@reveille/shared/nats/work-queue";
import { newId } from "@reveille/shared/protocol/ids";
import { runnerInboxPrefix } from "@reveille/shared/protocol/inboxes";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { systemClock } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { openTracing } from "@reveille/shared/runtime/open-tracing";
import type { Tracing } from "@reveille/shared/runtime/tracing";
import type { AdapterCatalog } from "./adapters/catalog.js";
import type { RunnerConfig } from "./config.js";
import { cut, treesOf } from "./containment/lifeline.js";
import type { Lifeline, Place } from "./containment/lifeline.js";
import type { Trees } from "./containment/tree.js";
import { inheritedEnvironment } from "./core/environment.js";
import type { SpawnGuard } from "./guard/guard-link.js";
import { spawnGuard } from "./guard/guard-process.js";
import { keepRepositories } from "./repository/sweep.js";
import { runFiles } from "./run-files.js";
import type { RunFiles } from "./run-files.js";

export interface RunnerPorts {
  clock: Clock;
  /** The monotonic clock that all processes of this machine share; nanoseconds. */
  machineNs: () => bigint;
  newId: () => string;
  /** Shown in the lease. */
  self: { hostname: string; pid: number };
  bus: Bus;
  /** A connection of their own: a flood of output must not hold up reports and renewals. */
  logBus: Bus;
  stored: StoredPublisher;
  logPublisher: StoredPublisher;
  leases: Bucket;
  tracing: Tracing;
  openQueue: (options: WorkQueueOptions) => WorkQueue;
  /** Makes the consumer of this runner's pool. @throws RuntimeError `BrokerUnavailable` */
  ensurePoolConsumer: () => Promise<void>;
  spawnGuard: SpawnGuard;
  place: Place;
  openTrees: (lifeline: Lifeline, incarnation: string, sparesMax: number, logger: Logger) => Trees;
  /** Kills every process of the incarnation; resolves when none is left and none can start. */
  cut: (lifeline: Lifeline, incarnation: string) => Promise<void>;
  files: RunFiles;
  adapters: AdapterCatalog;
  /** What every run inherits of our own environment. */
  inherited: Readonly<Record<string, string>>;
  close: () => Promise<void>;
}

/** 24 tries of 5 s: as long as an ended life still reports. What a killed attempt printed is stored when NATS is back by then. */
const logAttemptsMax = 24;

/** @throws RuntimeError `BrokerUnavailable` when NATS cannot be reached. */
export async function openPorts(
  config: RunnerConfig,
  adapters: AdapterCatalog,
  place: Place,
  logger: Logger,
): Promise<RunnerPorts> {
  const subjects = createSubjects(config.subjectPrefix);
  const connect = (name: string): Promise<NatsBus> =>
    connectBus({
      url: config.natsUrl,
      credsFile: config.natsCredsFile,
      nkeyFile: config.natsNkeyFile,
      name: `reveille-${name}-${config.runnerId}`,
      inboxPrefix: runnerInboxPrefix(config.pool),
      onError: (error) => logger.warn({ err: error }, "NATS connection"),
    });
  const bus = await connect("runner");
  const logBus = await connect("runner-logs");
  const keeping = keepRepositories(config.workDir, config.repositories, systemClock, logger);
  const stored = new StoredPublisher(bus);
  const tracing = await openTracing("runner", config.tracing, logger);
  const logPublisher = new StoredPublisher(logBus, { attemptsMax: logAttemptsMax });
  return {
    clock: systemClock,
    machineNs: () => process.hrtime.bigint(),
    newId,
    self: { hostname: hostname(), pid: process.pid },
    bus,
    logBus,
    stored,
    logPublisher,
    leases: await openBucket(bus, topologyNames(config.subjectPrefix).runnerLeases),
    tracing,
    openQueue: (options) => openWorkQueue(bus, options),
    ensurePoolConsumer: () => ensurePoolConsumer(bus, subjects, config.pool),
    spawnGuard,
    place,
    openTrees: treesOf,
    cut,
    files: runFiles,
    adapters,
    inherited: withTools(inheritedEnvironment(process.env), config.toolsPath),
    close: async () => {
      keeping.cancel();
      stored.close();
      logPublisher.close();
      await tracing.close();
      await Promise.all([bus.close(), logBus.close()]);
    },
  };
}

/** Behind everything else: no program of the machine is hidden by it. */
const withTools = (
  env: Record<string, string>,
  toolsPath: string | undefined,
): Record<string, string> =>
  toolsPath === undefined ? env : { ...env, PATH: `${env["PATH"]}:${toolsPath}` };
