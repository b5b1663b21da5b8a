/**
 * The runner service: pulls as many executions as it has free slots and runs them. Holds no state of
 * record. Wires the parts; each says itself what it does.
 */
import { mkdirSync } from "node:fs";
import { connectBus } from "@reveille/shared/nats/bus";
import type { Bus } from "@reveille/shared/nats/bus";
import { openBucket } from "@reveille/shared/nats/bucket";
import { createStoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { ensurePoolConsumer, openWorkQueue } from "@reveille/shared/nats/work-queue";
import type { WorkItem, WorkQueue } from "@reveille/shared/nats/work-queue";
import { decodeTrusted } from "@reveille/shared/protocol/codec";
import { executionSchema } from "@reveille/shared/protocol/execution";
import type { Control, Execution } from "@reveille/shared/protocol/execution";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Started } from "@reveille/shared/runtime/main";
import type { RunnerConfig } from "./config.js";
import { sweepLeftovers } from "./containment/lifeline.js";
import { inheritedEnvironment } from "./core/environment.js";
import { runnerInboxPrefix } from "./identity.js";
import { openIncarnation } from "./incarnation.js";
import type { Incarnation, RunnerParts } from "./incarnation.js";
import { createLogBudget } from "./run-log.js";

/** A third of the pool consumer's `ack_wait`. */
const workingEveryMs = 10_000;
/** Reports without an answer, per slot, before nothing more is pulled: an actor that is away must not fill us. */
const unansweredPerSlot = 4;
/** Between tries to begin another life, and to find what the topology keeper makes. */
const againEveryMs = 1_000;
/** How long an ended life's reports are sent: four leases, then everybody knows. */
const formerLifeMs = 120_000;
/** How long a stopping runner waits for the last answers; the actor hosts' takeover lasts 3 s. */
const lastAnswersMs = 10_000;

/** Starts a runner. @throws when NATS cannot be reached, or no containment as configured is possible. */
export async function startRunner(config: RunnerConfig, logger: Logger): Promise<Started> {
  mkdirSync(config.workDir, { recursive: true });
  const swept = await sweepLeftovers(config.workDir);
  if (swept.length > 0) logger.warn({ swept }, "killed what dead runners had left");
  const runner = createRunner(await connectParts({ ...config }, logger));
  try {
    await runner.begin();
  } catch (error) {
    await runner.stop(0);
    throw error;
  }
  return runner;
}

interface Shared extends Omit<RunnerParts, "draining"> {
  close(): Promise<void>;
}

async function connectParts(config: RunnerConfig, logger: Logger): Promise<Shared> {
  const subjects = createSubjects(config.subjectPrefix);
  const connect = (name: string): Promise<Bus> =>
    connectBus({
      url: config.natsUrl,
      credsFile: config.natsCredsFile,
      name: `reveille-${name}-${config.runnerId}`,
      inboxPrefix: runnerInboxPrefix,
      onError: (error) => logger.warn({ err: error }, "NATS connection"),
    });
  const bus = await connect("runner");
  // A connection of their own: a flood of output must not hold up reports and renewals.
  const logBus = await connect("runner-logs");
  const stored = createStoredPublisher(bus);
  const logPublisher = createStoredPublisher(logBus);
  const leases = await openBucket(bus, topologyNames(config.subjectPrefix).runnerLeases);
  return {
    config,
    subjects,
    bus,
    logBus,
    stored,
    logBudget: createLogBudget(logPublisher),
    leases,
    inherited: inheritedEnvironment(process.env),
    logger,
    close: async () => {
      stored.close();
      logPublisher.close();
      await Promise.all([bus.close(), logBus.close()]);
    },
  };
}

function createRunner(shared: Shared): Started & { begin(): Promise<void> } {
  const { config, logger, bus, subjects } = shared;
  let draining = false;
  let stopping: Promise<void> | null = null;
  let current: Incarnation | null = null;
  let queue: WorkQueue | null = null;
  let onceTaken = false;
  const former = new Set<Incarnation>();
  let finish: (code: number) => void = () => undefined;
  const done = config.once ? new Promise<number>((resolve) => (finish = resolve)) : undefined;

  const demand = (): void => {
    if (!queue) return;
    let unanswered = current?.unanswered ?? 0;
    for (const one of former) unanswered += one.unanswered;
    const blocked =
      !current || draining || onceTaken || unanswered > unansweredPerSlot * config.slots;
    // Former lives hold their slots until their trees are dead.
    let busy = current?.liveCount ?? 0;
    for (const one of former) busy += one.liveCount;
    queue.want(blocked ? 0 : Math.max(0, config.slots - busy));
  };
  const take = (item: WorkItem): void => {
    if (!current || draining || onceTaken) return item.nak(0);
    const execution = readExecution(item, logger);
    if (!execution) return demand();
    const attempt = current.take(item, execution);
    if (attempt && config.once) {
      onceTaken = true;
      void attempt.done.then(() => finish(0));
    }
    if (!attempt) demand();
  };
  const retire = (life: Incarnation): void => {
    former.add(life);
    demand();
    void life.end(formerLifeMs).then(() => {
      former.delete(life);
      demand();
    });
  };
  const live = async (): Promise<void> => {
    let mine: Incarnation | null = null;
    mine = await openIncarnation(
      { ...shared, draining: () => draining },
      {
        onFree: demand,
        onFailed: () => {
          // Null: it failed while it began, and `openIncarnation` says so.
          if (mine === null || current !== mine) return;
          current = null;
          retire(mine);
          if (!draining) void liveAgain();
        },
      },
    );
    current = mine;
    logger.info(
      {
        incarnation: mine.id,
        pool: config.pool,
        slots: config.slots,
        containment: mine.containment,
      },
      "runner ready",
    );
    if (mine.containment === "best_effort")
      logger.warn(
        "no cgroup: a process that hides well may survive its run (containment: best_effort)",
      );
    demand();
  };
  const liveAgain = async (): Promise<void> => {
    while (!draining && !current) {
      try {
        await live();
      } catch (error) {
        logger.warn({ err: error }, "cannot begin another life yet");
        await new Promise<void>((resume) => setTimeout(resume, againEveryMs));
      }
    }
  };
  const working = setInterval(() => {
    current?.working();
    for (const one of former) one.working();
    demand();
  }, workingEveryMs);
  const controls = bus.subscribe(subjects.controls, (message) => {
    const control = readControl(message.data);
    if (!control) return logger.warn({ subject: message.subject }, "a control could not be read");
    current?.cancel(control.claimId);
    for (const one of former) one.cancel(control.claimId);
  });

  const drain = async (deadlineMs: number): Promise<void> => {
    draining = true;
    clearInterval(working);
    await queue?.stop();
    const keepAlive = setInterval(() => current?.working(), workingEveryMs);
    await current?.idle(deadlineMs);
    current?.stopAll({ kind: "lost", reason: "drained" });
    const lives = [...former, ...(current ? [current] : [])];
    await Promise.all(lives.map((one) => one.end(lastAnswersMs)));
    clearInterval(keepAlive);
    controls.unsubscribe();
    await shared.close();
  };
  return {
    ready: { runnerId: config.runnerId, pool: config.pool },
    ...(done ? { done } : {}),
    begin: async () => {
      await fitToLease(shared);
      await live();
      queue = openPool(shared, take);
      demand();
    },
    stop: (deadlineMs = config.drainMs) => (stopping ??= drain(deadlineMs)),
  };
}

/**
 * Waits for the bucket of leases, and fits our times to what it really keeps: a tree must be dead a
 * third of a lease before anybody may think that its runner is.
 */
async function fitToLease({ config, leases, logger }: Shared): Promise<void> {
  let ttlMs = 0;
  for (let told = false; ttlMs === 0;) {
    try {
      ttlMs = (await leases.ttlMs()) || config.leaseTtlMs;
    } catch (error) {
      if (!told) logger.warn({ err: error }, "waiting for the bucket of leases");
      told = true;
      await new Promise<void>((resume) => setTimeout(resume, againEveryMs));
    }
  }
  const fitted = {
    guardDeadlineMs: Math.min(config.guardDeadlineMs, Math.floor((ttlMs * 2) / 3)),
    leaseRenewMs: Math.min(config.leaseRenewMs, Math.floor(ttlMs / 6)),
  };
  if (fitted.guardDeadlineMs < config.guardDeadlineMs || fitted.leaseRenewMs < config.leaseRenewMs)
    logger.warn({ ttlMs, ...fitted }, "the lease is shorter than configured for; times were cut");
  Object.assign(config, fitted);
}

function openPool(shared: Shared, take: (item: WorkItem) => void): WorkQueue {
  const { config, logger, bus, subjects } = shared;
  const names = topologyNames(config.subjectPrefix);
  let missing = false;
  return openWorkQueue(bus, {
    stream: names.exec,
    consumer: names.poolConsumer(config.pool),
    take,
    onMissing: () => {
      if (!missing) logger.warn({ pool: config.pool }, "the pool's consumer does not exist yet");
      missing = true;
      ensurePoolConsumer(bus, subjects, config.pool).catch((error: unknown) =>
        logger.debug({ err: error }, "cannot make the pool's consumer"),
      );
    },
    onFound: () => {
      missing = false;
      logger.info({ pool: config.pool }, "the pool's consumer is there");
    },
  });
}

/** The execution; null when it can never be run, which it is then told. */
function readExecution(item: WorkItem, logger: Logger): Execution | null {
  let reason: string;
  try {
    const read = executionSchema.safeParse(decodeTrusted(item.data));
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    reason = `${issue?.path.join(".")}: ${issue?.message}`;
  } catch (error) {
    reason = `not msgpack: ${(error as Error).message}`;
  }
  logger.error({ subject: item.subject, reason }, "an execution cannot be read and is dropped");
  item.term(reason.slice(0, 200));
  return null;
}

function readControl(data: Uint8Array): Control | null {
  try {
    const control = decodeTrusted(data) as Partial<Control> | null;
    return control?.kind === "cancel" && typeof control.claimId === "string"
      ? (control as Control)
      : null;
  } catch {
    return null;
  }
}
