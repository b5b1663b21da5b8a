/**
 * The runner service: pulls as many executions as it has free slots and runs them. Holds no state of
 * record. Wires the parts; each says itself what it does.
 */
import { mkdirSync } from "node:fs";
import { connectBus } from "@reveille/shared/nats/bus";
import type { BusMessage, BusSubscription, NatsBus } from "@reveille/shared/nats/bus";
import { openBucket } from "@reveille/shared/nats/bucket";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { ensurePoolConsumer, openWorkQueue } from "@reveille/shared/nats/work-queue";
import type { WorkItem, WorkQueue } from "@reveille/shared/nats/work-queue";
import { decodeTrusted } from "@reveille/shared/protocol/codec";
import { executionSchema } from "@reveille/shared/protocol/execution";
import type { Control, Execution } from "@reveille/shared/protocol/execution";
import { runnerInboxPrefix } from "@reveille/shared/protocol/secrets";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Logger } from "@reveille/shared/runtime/log";
import { startHealthServer } from "@reveille/shared/runtime/health-server";
import type { Started } from "@reveille/shared/runtime/main";
import type { Service } from "@reveille/shared/runtime/service";
import { createCatalog, ownAdapters } from "./adapters/catalog.js";
import type { AdapterCatalog } from "./adapters/catalog.js";
import { loadAdapters } from "./adapters/external.js";
import type { AttemptEnd } from "./attempt.js";
import type { RunnerConfig } from "./config.js";
import { sweepLeftovers } from "./containment/lifeline.js";
import { inheritedEnvironment } from "./core/environment.js";
import { openIncarnation } from "./incarnation.js";
import type { Incarnation, RunnerParts } from "./incarnation.js";
import { sweepPrivateFolders } from "./private-folders.js";
import { answerProbes } from "./probe.js";
import { createLogBudget } from "./run-log.js";

/** Less than a third of the pool consumer's `ack_wait`: two may be lost. */
const workingEveryMs = 1_500;
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
  await sweepPrivateFolders(config.workDir, Date.now(), logger);
  const { swept, stuck } = await sweepLeftovers(config.workDir);
  if (stuck.length > 0) logger.error({ stuck }, "cannot kill what dead runners have left");
  if (swept.length > 0) logger.warn({ swept }, "killed what dead runners had left");
  const own = ownAdapters(config);
  const adapters = createCatalog([...own, ...(await loadAdapters(config.adapters, own))]);
  const runner = new Runner(await connectParts({ ...config }, adapters, logger));
  try {
    await runner.begin();
  } catch (error) {
    await runner.stop(0);
    throw error;
  }
  return runner;
}

interface Shared extends Omit<RunnerParts, "draining"> {
  bus: NatsBus;
  close(): Promise<void>;
}

async function connectParts(
  config: RunnerConfig,
  adapters: AdapterCatalog,
  logger: Logger,
): Promise<Shared> {
  const subjects = createSubjects(config.subjectPrefix);
  const connect = (name: string): Promise<NatsBus> =>
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
  const stored = new StoredPublisher(bus);
  const logPublisher = new StoredPublisher(logBus);
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
    adapters,
    logger,
    close: async () => {
      stored.close();
      logPublisher.close();
      await Promise.all([bus.close(), logBus.close()]);
    },
  };
}

class Runner implements Started {
  readonly ready: Record<string, unknown>;
  readonly done?: Promise<number>;
  readonly #shared: Shared;
  readonly #former = new Set<Incarnation>();
  readonly #working: NodeJS.Timeout;
  readonly #controls: BusSubscription;
  #current: Incarnation | null = null;
  #queue: WorkQueue | null = null;
  #probes: BusSubscription | null = null;
  #draining = false;
  #stopping: Promise<void> | null = null;
  #onceTaken = false;
  #finish: (code: number) => void = () => undefined;
  #health: Service | null = null;
  readonly #ended: Record<AttemptEnd, number> = { ran: 0, refused: 0, lost: 0 };
  readonly #starts = { spare: 0, spawn: 0 };

  constructor(shared: Shared) {
    const { config, bus, subjects } = shared;
    this.#shared = shared;
    this.ready = { runnerId: config.runnerId, pool: config.pool };
    if (config.once) this.done = new Promise<number>((resolve) => (this.#finish = resolve));
    this.#working = setInterval(() => {
      for (const life of this.#lives()) life.working();
    }, workingEveryMs);
    // One subscription for all runs: a cancel is rare, a subscription for each run is not.
    this.#controls = bus.subscribe(subjects.controls, (message) => this.#control(message));
  }

  async begin(): Promise<void> {
    await fitToLease(this.#shared);
    await this.#live();
    this.#queue = openPool(this.#shared, (item) => this.#take(item));
    this.#demand();
    this.#probes = answerProbes(this.#shared);
    const { healthHost: host, healthPort: port } = this.#shared.config;
    if (port === undefined) return;
    this.#health = await startHealthServer({
      host,
      port,
      ready: async () => this.#shared.bus.connected && this.#current !== null && !this.#draining,
      metrics: () => this.#metrics(),
    });
  }

  stop(deadlineMs = this.#shared.config.drainMs): Promise<void> {
    return (this.#stopping ??= this.#drain(deadlineMs));
  }

  #metrics(): string {
    const { config, logBudget } = this.#shared;
    const sum = (count: (life: Incarnation) => number): number =>
      this.#lives().reduce((total, life) => total + count(life), 0);
    return [
      `reveille_runner_slots{pool="${config.pool}"} ${config.slots}`,
      `reveille_runner_attempts_live ${sum((life) => life.liveCount)}`,
      `reveille_runner_spares ${sum((life) => life.spareCount)}`,
      ...Object.entries(this.#starts).map(
        ([from, count]) => `reveille_runner_starts_total{from="${from}"} ${count}`,
      ),
      `reveille_runner_reports_unanswered ${sum((life) => life.unanswered)}`,
      `reveille_runner_log_bytes_in_flight ${logBudget.inFlight}`,
      ...Object.entries(this.#ended).map(
        ([how, count]) => `reveille_runner_attempts_total{end="${how}"} ${count}`,
      ),
      "",
    ].join("\n");
  }

  #lives(): Incarnation[] {
    return this.#current ? [...this.#former, this.#current] : [...this.#former];
  }

  /** Says how many executions may come: as many as there are free slots. */
  #demand(): void {
    const { slots } = this.#shared.config;
    let busy = 0;
    let unanswered = 0;
    // Former lives hold their slots until their trees are dead.
    for (const life of this.#lives()) {
      busy += life.liveCount;
      unanswered += life.unanswered;
    }
    const blocked = !this.#current || this.#draining || this.#onceTaken;
    const full = unanswered > unansweredPerSlot * slots;
    this.#queue?.want(blocked || full ? 0 : Math.max(0, slots - busy));
  }

  #take(item: WorkItem): void {
    if (!this.#current || this.#draining || this.#onceTaken) return item.nak(0);
    const execution = readExecution(item, this.#shared.logger);
    const attempt = execution && this.#current.take(item, execution);
    if (!attempt) return this.#demand();
    void attempt.done.then((how) => (this.#ended[how] += 1));
    if (!this.#shared.config.once) return;
    this.#onceTaken = true;
    void attempt.done.then(() => this.#finish(0));
  }

  #control({ data, subject }: BusMessage): void {
    const control = readControl(data);
    if (!control) return this.#shared.logger.warn({ subject }, "a control could not be read");
    const { kind, claimId } = control;
    for (const life of this.#lives())
      if (kind === "cancel") life.cancel(claimId);
      else life.finish(claimId);
  }

  async #live(): Promise<void> {
    const { config, logger } = this.#shared;
    let mine: Incarnation | null = null;
    mine = await openIncarnation(
      { ...this.#shared, draining: () => this.#draining },
      {
        onFree: () => this.#demand(),
        onStart: (spare) => (this.#starts[spare ? "spare" : "spawn"] += 1),
        onFailed: () => {
          // Null: it failed while it began, and `openIncarnation` says so.
          if (mine !== null && this.#current === mine) this.#retire(mine);
        },
      },
    );
    if (this.#draining) return mine.end(0);
    this.#current = mine;
    const { id, containment } = mine;
    const { pool, slots } = config;
    logger.info({ incarnation: id, pool, slots, containment }, "runner ready");
    if (containment === "best_effort")
      logger.warn("no cgroup can be made here: a process that hides well may outlive its run");
    this.#demand();
  }

  /** A life is over: another one begins, while the reports of this one are still sent. */
  #retire(life: Incarnation): void {
    this.#current = null;
    this.#former.add(life);
    this.#demand();
    void life.end(formerLifeMs).then(() => {
      this.#former.delete(life);
      this.#demand();
    });
    void this.#liveAgain();
  }

  async #liveAgain(): Promise<void> {
    while (!this.#draining && !this.#current) {
      try {
        await this.#live();
      } catch (error) {
        this.#shared.logger.warn({ err: error }, "cannot begin another life yet");
        await pause(againEveryMs);
      }
    }
  }

  async #drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    this.#probes?.unsubscribe();
    await this.#queue?.stop();
    await this.#current?.idle(deadlineMs);
    this.#current?.stopAll({ kind: "lost", reason: "drained" });
    await Promise.all(this.#lives().map((life) => life.end(lastAnswersMs)));
    clearInterval(this.#working);
    this.#controls.unsubscribe();
    await this.#health?.stop();
    await this.#shared.close();
  }
}

const pause = (ms: number): Promise<void> =>
  new Promise<void>((resume) => {
    setTimeout(resume, ms);
  });

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
      await pause(againEveryMs);
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
    const known = control?.kind === "cancel" || control?.kind === "finish";
    return known && typeof control.claimId === "string" ? (control as Control) : null;
  } catch {
    return null;
  }
}
