/**
 * The runner service: pulls as many executions as it has free slots and runs them. Holds no state of
 * record. Wires the parts; each says itself what it does.
 */
import { mkdirSync } from "node:fs";
import type { Bus, BusMessage, BusSubscription } from "@reveille/shared/nats/bus";
import type { WorkItem, WorkQueue } from "@reveille/shared/nats/work-queue";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { pause } from "@reveille/shared/runtime/clock";
import type { Timer } from "@reveille/shared/runtime/clock";
import { createFailpoint } from "@reveille/shared/runtime/failpoint";
import type { Logger } from "@reveille/shared/runtime/log";
import { startHealthServer } from "@reveille/shared/runtime/health-server";
import { createMetrics } from "@reveille/shared/runtime/metrics";
import type { Started } from "@reveille/shared/runtime/main";
import type { Service } from "@reveille/shared/runtime/service";
import { createCatalog, ownAdapters } from "./adapters/catalog.js";
import { loadAdapters } from "./adapters/external.js";
import type { AttemptEnd } from "./attempt.js";
import type { RunnerConfig } from "./config.js";
import { placeOf, sweepLeftovers } from "./containment/lifeline.js";
import { readControl } from "./control.js";
import { openIncarnation } from "./incarnation.js";
import type { Incarnation, RunnerParts } from "./incarnation.js";
import { fitToLease } from "./lease-times.js";
import { watchNeighbours } from "./neighbours.js";
import type { Neighbours } from "./neighbours.js";
import { openPool, readExecution } from "./pool-queue.js";
import { openPorts } from "./ports.js";
import type { RunnerPorts } from "./ports.js";
import { sweepPrivateFolders } from "./private-folders.js";
import { answerProbes } from "./probe.js";
import { createLogBudget } from "./log-budget.js";
import { readRunner } from "./runner-metrics.js";
import type { RunnerFigures } from "./runner-metrics.js";

/** Less than a third of the pool consumer's `ack_wait`: two may be lost. */
const workingEveryMs = 1_500;
/** Reports without an answer, per slot, before nothing more is pulled: an actor that is away must not fill us. */
const unansweredPerSlot = 4;
/** Between tries to begin another life. */
const againEveryMs = 1_000;
/** How long an ended life's reports are sent: four leases, then everybody knows. */
const formerLifeMs = 120_000;
/** How long a stopping runner waits for the last answers; the actor hosts' takeover lasts 3 s. */
const lastAnswersMs = 10_000;

/** Starts a runner. @throws when NATS cannot be reached, or no containment as configured is possible. */
export async function startRunner(config: RunnerConfig, logger: Logger): Promise<Started> {
  mkdirSync(config.workDir, { recursive: true });
  await sweepPrivateFolders(config.workDir, Date.now(), logger);
  const place = await placeOf(config.workDir);
  const { swept, stuck } = await sweepLeftovers(place);
  if (stuck.length > 0) logger.error({ stuck }, "cannot kill what dead runners have left");
  if (swept.length > 0) logger.warn({ swept }, "killed what dead runners had left");
  const own = ownAdapters(config);
  const adapters = createCatalog([...own, ...(await loadAdapters(config.adapters, own))]);
  return startRunnerOn(config, await openPorts(config, adapters, place, logger), logger);
}

/** Starts a runner on its ports: real ones, or those of a simulation. It closes them when it stops. */
export async function startRunnerOn(
  config: RunnerConfig,
  ports: RunnerPorts,
  logger: Logger,
): Promise<Started> {
  const runner = new Runner(config, ports, logger);
  try {
    await runner.begin();
  } catch (error) {
    await runner.stop(0);
    throw error;
  }
  return runner;
}

class Runner implements Started {
  readonly ready: Record<string, unknown>;
  readonly done?: Promise<number>;
  readonly #shared: Omit<RunnerParts, "draining">;
  readonly #former = new Set<Incarnation>();
  readonly #working: Timer;
  readonly #controls: BusSubscription;
  #current: Incarnation | null = null;
  #queue: WorkQueue | null = null;
  #probes: BusSubscription | null = null;
  #neighbours: Neighbours | null = null;
  #draining = false;
  #stopping: Promise<void> | null = null;
  /** With `--once`: nothing more is taken, because one was or because none came. */
  #onceTaken = false;
  #onceLimit: Timer | null = null;
  #finish: (code: number) => void = () => undefined;
  #health: Service | null = null;
  readonly #ended: Record<AttemptEnd, number> = { ran: 0, refused: 0, lost: 0 };
  readonly #starts = { spare: 0, spawn: 0 };
  #begun = 0;

  constructor(given: RunnerConfig, ports: RunnerPorts, logger: Logger) {
    const { clock, bus } = ports;
    // Its own: times are fitted to the lease.
    const config = { ...given };
    const subjects = createSubjects(config.subjectPrefix);
    const logBudget = createLogBudget({
      publisher: ports.logPublisher,
      bus: ports.logBus,
      spoolBytesMax: config.spoolBytesMax,
      spoolPath: (runId, attempt) => ports.files.privateFile(config.workDir, runId, attempt),
      runBytesMax: config.logBytesMax,
      bytesPerSec: config.logBytesPerSec,
    });
    const failpoint = createFailpoint(config.failpoint);
    const metrics = createMetrics("runner");
    readRunner(metrics, ports, () => this.#figures());
    this.#shared = { ...ports, config, subjects, logBudget, failpoint, metrics, logger };
    this.ready = { runnerId: config.runnerId, pool: config.pool };
    if (config.once) this.done = new Promise<number>((resolve) => (this.#finish = resolve));
    this.#working = clock.every(workingEveryMs, () => {
      for (const life of this.#lives()) life.working();
    });
    // One subscription for all runs: a cancel is rare, a subscription for each run is not.
    this.#controls = bus.subscribe(subjects.controls, (message) => this.#control(message));
  }

  async begin(): Promise<void> {
    const leaseTtlMs = await fitToLease(this.#shared);
    this.#neighbours = watchNeighbours({ ...this.#shared, leaseTtlMs });
    await this.#live();
    this.#queue = openPool(this.#shared, (item) => this.#take(item));
    this.#demand();
    this.#limitOnce();
    this.#probes = answerProbes(this.#shared);
    const { healthHost: host, healthPort: port } = this.#shared.config;
    if (port === undefined) return;
    this.#health = await startHealthServer({
      host,
      port,
      ready: async () => this.#shared.bus.connected && this.#current !== null && !this.#draining,
      metrics: () => this.#shared.metrics.text(),
    });
  }

  stop(deadlineMs = this.#shared.config.drainMs): Promise<void> {
    return (this.#stopping ??= this.#drain(deadlineMs));
  }

  #figures(): RunnerFigures {
    const { config, logBudget } = this.#shared;
    return {
      pool: config.pool,
      slots: config.slots,
      lives: this.#lives(),
      draining: this.#draining,
      begun: this.#begun,
      ended: this.#ended,
      starts: this.#starts,
      logs: logBudget,
    };
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

  /** A job that was started for an execution which somebody else took has to end as well. */
  #limitOnce(): void {
    const { clock, config, logger } = this.#shared;
    if (!config.once) return;
    this.#onceLimit = clock.after(config.onceWaitMs, () => {
      if (this.#onceTaken) return;
      this.#onceTaken = true;
      logger.info({ waitedMs: config.onceWaitMs }, "no execution came");
      this.#finish(0);
    });
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
    this.#begun += 1;
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
      // Asked for without a connection, a lease would be refused seconds after there is one again.
      await connected(this.#shared.bus);
      if (this.#draining) return;
      try {
        await this.#live();
      } catch (error) {
        this.#shared.logger.warn({ err: error }, "cannot begin another life yet");
        await pause(this.#shared.clock, againEveryMs);
      }
    }
  }

  async #drain(deadlineMs: number): Promise<void> {
    this.#draining = true;
    this.#onceLimit?.cancel();
    const unwatched = this.#neighbours?.stop();
    this.#probes?.unsubscribe();
    await this.#queue?.stop();
    await this.#current?.idle(deadlineMs);
    this.#current?.stopAll({ kind: "lost", reason: "drained" });
    await Promise.all(this.#lives().map((life) => life.end(lastAnswersMs)));
    this.#working.cancel();
    this.#controls.unsubscribe();
    await this.#health?.stop();
    await unwatched;
    await this.#shared.close();
  }
}

/** Resolves when NATS is there, or is gone for good. */
const connected = (bus: Bus): Promise<void> =>
  bus.connected
    ? Promise.resolve()
    : new Promise((resolve) => {
        const stop = bus.onState((state) => {
          if (state === "disconnected") return;
          stop();
          resolve();
        });
      });
