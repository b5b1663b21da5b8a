/**
 * One life of a runner: an id, a guard, a lease, and the attempts that stand under them. When the guard
 * or the lease fails, the whole life is over: its trees die, its attempts are lost, and the runner
 * begins another one. Reports of an ended life are still sent until they are answered.
 */
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import type { Execution, RunnerLease } from "@reveille/shared/protocol/execution";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { Timer } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Metrics } from "@reveille/shared/runtime/metrics";
import { startAttempt } from "./attempt.js";
import type { Attempt, AttemptParts } from "./attempt.js";
import type { RunnerConfig } from "./config.js";
import type { ContainmentKind, Trees } from "./containment/tree.js";
import type { LostReason, Stop } from "./core/stop.js";
import { startGuard } from "./guard/guard-link.js";
import type { GuardLink } from "./guard/guard-link.js";
import { runnerVersion } from "./identity.js";
import { takeLease } from "./lease.js";
import type { Lease } from "./lease.js";
import { createLiveLog } from "./live-log.js";
import type { RunnerPorts } from "./ports.js";
import { createReports } from "./reports.js";
import type { Reports } from "./reports.js";
import { createRunLog } from "./run-log.js";
import { createTranscript } from "./transcript.js";
import type { LogBudget } from "./log-budget.js";
import { createSecretSource } from "./secrets/secret-source.js";
import type { SecretSource } from "./secrets/secret-source.js";

/** What all lives of a runner share. */
export interface RunnerParts extends RunnerPorts {
  config: RunnerConfig;
  subjects: Subjects;
  logBudget: LogBudget;
  draining: () => boolean;
  failpoint: Failpoint;
  metrics: Metrics;
  logger: Logger;
}

export interface Incarnation {
  readonly id: string;
  readonly containment: ContainmentKind;
  /** Attempts that hold a slot. */
  readonly liveCount: number;
  /** Processes that wait for a start; they hold no slot. */
  readonly spareCount: number;
  /** Ended attempts whose reports have no answer. */
  readonly unanswered: number;
  take(item: WorkItem, execution: Execution): Attempt | null;
  /** Tells the server that what waits for its go is being looked at. */
  working(): void;
  cancel(claimId: string): void;
  /** The final word on a run was reported. */
  finish(claimId: string): void;
  stopAll(stop: Stop): void;
  /** Resolves when no attempt is left, or after `limitMs`. */
  idle(limitMs: number): Promise<void>;
  /** Waits for attempts and answers (at most `limitMs`), then ends guard and lease. Never rejects. */
  end(limitMs: number): Promise<void>;
}
export interface IncarnationEvents {
  /** A slot came free, or a report was answered: perhaps more can be taken. */
  onFree: () => void;
  /** A process is about to be started, with or without a spare. */
  onStart: (spare: boolean) => void;
  /** This life is over; its attempts are being ended. */
  onFailed: (reason: LostReason) => void;
}

/** Ended attempts that are remembered, so that a late repeat of their execution is only acknowledged. */
const rememberedMax = 4_096;
/** A guard whose deadline has passed kills within milliseconds; its own word is waited for so long at most. */
const releaseGuardMs = 5_000;

/** @throws when the guard refuses, or the first renewal of the lease is not confirmed. */
export async function openIncarnation(
  parts: RunnerParts,
  events: IncarnationEvents,
): Promise<Incarnation> {
  const life = new Life(parts, events);
  await life.begin();
  return life;
}

class Life implements Incarnation {
  readonly id: string;
  readonly #parts: RunnerParts;
  readonly #events: IncarnationEvents;
  readonly #logger: Logger;
  readonly #reports: Reports;
  readonly #secrets: SecretSource;
  readonly #startedAt: string;
  /** By run and attempt. */
  readonly #live = new Map<string, Attempt>();
  readonly #remembered = new Set<string>();
  #guard!: GuardLink;
  #trees!: Trees;
  #lease: Lease | null = null;
  #failure: LostReason | null = null;

  constructor(parts: RunnerParts, events: IncarnationEvents) {
    const { clock, bus, stored, subjects } = parts;
    this.id = parts.newId();
    this.#startedAt = new Date(clock.wallMs()).toISOString();
    this.#parts = parts;
    this.#events = events;
    this.#logger = parts.logger.child({ incarnation: this.id });
    this.#reports = createReports({
      clock,
      bus,
      stored,
      subjects,
      incarnation: this.id,
      onEnded: events.onFree,
      logger: this.#logger,
    });
    this.#secrets = createSecretSource(clock, bus, subjects, this.id, this.#logger);
  }

  async begin(): Promise<void> {
    const { clock, machineNs, config, bus, leases, openTrees } = this.#parts;
    try {
      this.#guard = await this.#startGuard();
      // Not more than can be used at once.
      const sparesMax = Math.min(config.spares, config.slots);
      this.#trees = openTrees(this.#guard.lifeline, this.id, sparesMax, this.#logger);
      this.#lease = await takeLease({
        clock,
        machineNs,
        bus,
        bucket: leases,
        incarnation: this.id,
        value: () => this.#leaseValue(),
        renewMs: config.leaseRenewMs,
        deadlineMs: config.guardDeadlineMs,
        onRenewed: (deadlineNs) => this.#guard.deadline(deadlineNs),
        onPassed: () => this.#fail("deadline"),
        logger: this.#logger,
      });
      if (this.#failure !== null)
        throw new Error(`this life was over before it began: ${String(this.#failure)}`);
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  get containment(): ContainmentKind {
    return this.#trees.kind;
  }
  get liveCount(): number {
    return this.#live.size;
  }
  get spareCount(): number {
    return this.#trees.spareCount;
  }
  get unanswered(): number {
    return this.#reports.unanswered;
  }

  take(item: WorkItem, execution: Execution): Attempt | null {
    const key = `${execution.runId}:${execution.attempt}`;
    const known = this.#live.get(key);
    if (known) known.again(item);
    else if (this.#remembered.has(key)) item.ack();
    if (known || this.#remembered.has(key)) return null;
    const attempt = startAttempt(this.#attemptParts(), item, execution);
    this.#live.set(key, attempt);
    void attempt.done.then((how) => {
      this.#live.delete(key);
      // What was refused or lost may rightly come again.
      if (how === "ran") this.#remember(key);
      this.#events.onFree();
    });
    return attempt;
  }

  working(): void {
    for (const attempt of this.#live.values()) if (attempt.asking) attempt.working();
  }

  cancel(claimId: string): void {
    for (const attempt of this.#live.values())
      if (attempt.claimId === claimId) attempt.stop({ kind: "cancel" });
  }

  finish(claimId: string): void {
    for (const attempt of this.#live.values()) if (attempt.claimId === claimId) attempt.finish();
  }

  stopAll(stop: Stop): void {
    for (const attempt of this.#live.values()) attempt.stop(stop);
  }

  async idle(limitMs: number): Promise<void> {
    if (this.#live.size === 0) return;
    let timer: Timer | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = this.#parts.clock.after(limitMs, resolve);
    });
    await Promise.race([Promise.all([...this.#live.values()].map(({ done }) => done)), limit]);
    timer?.cancel();
  }

  async end(limitMs: number): Promise<void> {
    const { clock } = this.#parts;
    const began = clock.monotonicMs();
    await this.idle(limitMs);
    const left = await this.#reports.settled(Math.max(0, limitMs - (clock.monotonicMs() - began)));
    if (left > 0) this.#logger.error({ left }, "reports without an answer; the lease tells");
    // Reported, dead and answered: now the guard has nothing left to say.
    if (left === 0 && this.#live.size === 0) await this.#lease?.release();
    await this.#close();
  }

  #fail(reason: LostReason): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#logger.error({ reason, attempts: this.#live.size }, "this life of the runner is over");
    this.#trees?.retire();
    this.stopAll({ kind: "lost", reason });
    this.#events.onFailed(reason);
  }

  #startGuard(): Promise<GuardLink> {
    const { runnerId, pool, subjectPrefix, workDir, containment, logLevel } = this.#parts.config;
    const { natsUrl, natsCredsFile, natsNkeyFile } = this.#parts.config;
    const nats = { natsUrl, natsCredsFile, natsNkeyFile };
    const settings = { ...nats, runnerId, pool, subjectPrefix, workDir, containment };
    return startGuard(
      this.#parts,
      { type: "hello", incarnation: this.id, logLevel, ...settings },
      {
        onExpired: () => this.#fail("deadline"),
        onGone: (why) => {
          this.#logger.error({ why }, "the guard is gone");
          this.#fail("guard_gone");
        },
      },
      this.#logger,
    );
  }

  #attemptParts(): AttemptParts {
    const { clock, config, subjects, logBus, logBudget } = this.#parts;
    return {
      clock,
      newId: this.#parts.newId,
      failpoint: this.#parts.failpoint,
      metrics: this.#parts.metrics,
      tracing: this.#parts.tracing,
      files: this.#parts.files,
      inherited: this.#parts.inherited,
      apiUrl: config.apiUrl,
      workDir: config.workDir,
      repositories: config.repositories,
      secrets: this.#secrets,
      adapters: this.#parts.adapters,
      limitDefaults: {
        timeoutSec: config.timeoutSecDefault,
        idleTimeoutSec: config.idleTimeoutSecDefault,
      },
      runnerId: config.runnerId,
      incarnation: this.id,
      guard: this.#guard,
      reports: this.#reports,
      trees: this.#trees,
      onStart: this.#events.onStart,
      openLog: (execution) => {
        const live = createLiveLog(clock, logBus, subjects, execution);
        return createRunLog({ ...execution, clock, subjects, budget: logBudget, live });
      },
      openTranscript: (execution) => createTranscript(clock, logBus, subjects, execution),
      lostBy: () => this.#failure ?? (this.#lease?.passed() ? "deadline" : null),
      logger: this.#logger,
    };
  }

  #leaseValue(): RunnerLease {
    const { config, self, draining } = this.#parts;
    return {
      incarnation: this.id,
      runnerId: config.runnerId,
      pool: config.pool,
      ...self,
      version: runnerVersion,
      slots: config.slots,
      draining: draining(),
      containment: this.#trees.kind,
      startedAt: this.#startedAt,
      adapters: [...this.#parts.adapters.types],
      runs: [...this.#live.values()].map(({ runId, number, claimId }) => ({
        runId,
        attempt: number,
        claimId,
      })),
    };
  }

  #remember(key: string): void {
    this.#remembered.add(key);
    for (const oldest of this.#remembered) {
      if (this.#remembered.size <= rememberedMax) return;
      this.#remembered.delete(oldest);
    }
  }

  /** Whatever is left: reports stop, the lifeline is cut, the guard ends. */
  async #close(): Promise<void> {
    this.#lease?.stop();
    this.#reports.close();
    this.#trees?.close();
    const guard = this.#guard as GuardLink | undefined;
    if (!guard) return;
    const limit = this.#parts.clock.after(releaseGuardMs, () => guard.kill());
    await guard.bye();
    limit.cancel();
    // Its guard would have done it.
    if (this.#failure === "guard_gone") await this.#parts.cut(guard.lifeline, this.id);
  }
}
