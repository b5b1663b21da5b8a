/**
 * One life of a runner: an id, a guard, a lease, and the attempts that stand under them. When the guard
 * or the lease fails, the whole life is over: its trees die, its attempts are lost, and the runner
 * begins another one. Reports of an ended life are still sent until they are answered.
 */
import { newId } from "@reveille/shared/protocol/ids";
import type { Execution, RunnerLease } from "@reveille/shared/protocol/execution";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Bus } from "@reveille/shared/nats/bus";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import type { Logger } from "@reveille/shared/runtime/log";
import { hostname } from "node:os";
import { startAttempt } from "./attempt.js";
import type { Attempt } from "./attempt.js";
import type { RunnerConfig } from "./config.js";
import { treesOf } from "./containment/lifeline.js";
import type { LostReason, Stop } from "./core/stop.js";
import { startGuard } from "./guard/guard-link.js";
import { runnerVersion } from "./identity.js";
import { takeLease } from "./lease.js";
import { createLiveLog } from "./live-log.js";
import { createReports } from "./reports.js";
import { createRunLog } from "./run-log.js";
import type { LogBudget } from "./run-log.js";

/** What all lives of a runner share. */
export interface RunnerParts {
  config: RunnerConfig;
  subjects: Subjects;
  bus: Bus;
  stored: StoredPublisher;
  logBus: Bus;
  logBudget: LogBudget;
  leases: Bucket;
  inherited: Readonly<Record<string, string>>;
  draining: () => boolean;
  logger: Logger;
}

export interface Incarnation {
  readonly id: string;
  readonly containment: "cgroup" | "best_effort";
  /** Attempts that hold a slot. */
  readonly liveCount: number;
  /** Ended attempts whose reports have no answer. */
  readonly unanswered: number;
  take(item: WorkItem, execution: Execution): Attempt | null;
  /** Tells the server that what waits for its go is being looked at. */
  working(): void;
  cancel(claimId: string): void;
  stopAll(stop: Stop): void;
  /** Resolves when no attempt is left, or after `limitMs`. */
  idle(limitMs: number): Promise<void>;
  /** Waits for attempts and answers (at most `limitMs`), then ends guard and lease. Never rejects. */
  end(limitMs: number): Promise<void>;
}
export interface IncarnationEvents {
  /** A slot came free. */
  onFree: () => void;
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
  const { config, subjects, bus } = parts;
  const id = newId();
  const logger = parts.logger.child({ incarnation: id });
  const live = new Map<string, Attempt>();
  const remembered = new Set<string>();
  const startedAt = new Date().toISOString();
  let failure: LostReason | null = null;
  let guardGone = false;

  const fail = (reason: LostReason): void => {
    if (failure) return;
    failure = reason;
    logger.error({ reason, attempts: live.size }, "this life of the runner is over");
    for (const attempt of live.values()) attempt.stop({ kind: "lost", reason });
    events.onFailed(reason);
  };
  const guard = await startGuard(
    {
      type: "hello",
      incarnation: id,
      runnerId: config.runnerId,
      natsUrl: config.natsUrl,
      natsCredsFile: config.natsCredsFile,
      subjectPrefix: config.subjectPrefix,
      workDir: config.workDir,
      containment: config.containment,
      logLevel: config.logLevel,
    },
    {
      onExpired: () => fail("deadline"),
      onGone: (why) => {
        logger.error({ why }, "the guard is gone");
        guardGone = true;
        fail("guard_gone");
      },
    },
    logger,
  );
  const trees = treesOf(guard.lifeline, id);
  const reports = createReports(bus, parts.stored, subjects, id, logger);
  const lease = await takeLease({
    bucket: parts.leases,
    incarnation: id,
    value: (): RunnerLease => ({
      incarnation: id,
      runnerId: config.runnerId,
      pool: config.pool,
      hostname: hostname(),
      pid: process.pid,
      version: runnerVersion,
      slots: config.slots,
      draining: parts.draining(),
      containment: trees.kind,
      startedAt,
      runs: [...live.values()].map(({ runId, number, claimId }) => ({
        runId,
        attempt: number,
        claimId,
      })),
    }),
    renewMs: config.leaseRenewMs,
    deadlineMs: config.guardDeadlineMs,
    onRenewed: (deadlineNs) => guard.deadline(deadlineNs),
    onPassed: () => fail("deadline"),
    logger,
  }).catch(async (error: unknown) => {
    reports.close();
    trees.close();
    await (guardGone ? guard.kill() : guard.bye());
    throw error;
  });

  if (failure !== null) {
    reports.close();
    trees.close();
    lease.stop();
    guard.kill();
    throw new Error(`this life was over before it began: ${String(failure)}`);
  }

  const openLog = (execution: Execution) =>
    createRunLog({
      ...execution,
      subjects,
      budget: parts.logBudget,
      live: createLiveLog(parts.logBus, subjects, execution),
    });
  const idle = async (limitMs: number): Promise<void> => {
    if (live.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, limitMs)));
    await Promise.race([Promise.all([...live.values()].map((attempt) => attempt.done)), limit]);
    clearTimeout(timer);
  };
  return {
    id,
    containment: trees.kind,
    get liveCount() {
      return live.size;
    },
    get unanswered() {
      return reports.unanswered;
    },
    take: (item, execution) => {
      const key = `${execution.runId}:${execution.attempt}`;
      const known = live.get(key);
      if (known) known.again(item);
      else if (remembered.has(key)) item.ack();
      if (known || remembered.has(key)) return null;
      const attempt = startAttempt(
        {
          ...parts,
          apiUrl: config.apiUrl,
          workDir: config.workDir,
          timeoutSecDefault: config.timeoutSecDefault,
          runnerId: config.runnerId,
          incarnation: id,
          guard,
          reports,
          trees,
          openLog,
          lostBy: () => failure ?? (lease.passed() ? "deadline" : null),
          logger,
        },
        item,
        execution,
      );
      live.set(key, attempt);
      void attempt.done.then((how) => {
        live.delete(key);
        // What was refused or lost may rightly come again.
        if (how === "ran") remembered.add(key);
        if (remembered.size > rememberedMax) remembered.delete(remembered.values().next().value!);
        events.onFree();
      });
      return attempt;
    },
    working: () => {
      for (const attempt of live.values()) if (attempt.asking) attempt.working();
    },
    cancel: (claimId) => {
      for (const attempt of live.values())
        if (attempt.claimId === claimId) attempt.stop({ kind: "cancel" });
    },
    stopAll: (stop) => {
      for (const attempt of live.values()) attempt.stop(stop);
    },
    idle,
    end: async (limitMs) => {
      const began = performance.now();
      await idle(limitMs);
      const left = await reports.settled(Math.max(0, limitMs - (performance.now() - began)));
      if (left > 0) logger.error({ left }, "reports without an answer; the lease tells");
      // Reported, dead and answered: now the guard has nothing left to say.
      if (left === 0 && live.size === 0) await lease.release();
      else lease.stop();
      reports.close();
      trees.close();
      if (guardGone) return guard.kill();
      const limit = setTimeout(() => guard.kill(), releaseGuardMs);
      await guard.bye();
      clearTimeout(limit);
    },
  };
}
