/**
 * Forms batches from what has arrived in the owned partitions and keeps a bounded number under way, over
 * disjoint partitions. One idle wake is a batch of one, at once; under steady load batches are paced.
 */
import type { Logger } from "@reveille/shared/runtime/log";
import { pace, spendToken, startPace } from "../core/pace.js";
import { runBatch } from "./batch.js";
import type { BatchContext, Share } from "./batch.js";
import type { Partition } from "./partition.js";

export interface Scheduler {
  /** Something arrived or became free. */
  arrived(): void;
  /** Takes nothing more; resolves when no batch is under way. */
  drain(): Promise<void>;
  readonly stats: { batches: number; messages: number; inFlight: number };
}
export interface SchedulerContext extends BatchContext {
  partitions: () => Iterable<Partition>;
  batchMax: number;
  inFlightMax: number;
  /** These partitions are (or may be) somebody else's. */
  stepDown: (partitions: readonly Partition[], reason: string) => void;
  logger: Logger;
}

export function createScheduler(context: SchedulerContext): Scheduler {
  let inFlight = 0;
  let scheduled = false;
  let draining = false;
  let rotation = 0;
  let pacing = startPace(performance.now());
  const idle: (() => void)[] = [];
  const stats = { batches: 0, messages: 0, inFlight: 0 };

  /** Shares of free partitions, starting where the last batch ended, so that none starves. */
  const collect = (): Share[] => {
    const free = [...context.partitions()].filter(
      (partition) => !partition.busy && partition.waitingCount > 0,
    );
    const shares: Share[] = [];
    let room = context.batchMax;
    for (let at = 0; at < free.length && room > 0; at += 1) {
      const partition = free[(at + rotation) % free.length]!;
      const messages = partition.take(room);
      partition.busy = true;
      room -= messages.length;
      shares.push({ partition, messages });
    }
    rotation += shares.length;
    return shares;
  };

  const start = (shares: Share[]): void => {
    inFlight += 1;
    stats.batches += 1;
    stats.messages += shares.reduce((sum, share) => sum + share.messages.length, 0);
    const partitions = shares.map((share) => share.partition);
    runBatch(context, shares)
      .then((outcome) => {
        if (outcome.kind === "step-down") context.stepDown(partitions, outcome.reason);
      })
      .catch((error: unknown) => {
        // Not foreseen: nothing was committed, so the partitions are read again from their cursors.
        context.logger.error({ err: error }, "a batch failed");
        for (const partition of partitions) partition.reopen("a batch failed");
      })
      .finally(() => {
        for (const partition of partitions) partition.busy = false;
        inFlight -= 1;
        if (inFlight === 0) for (const done of idle.splice(0)) done();
        schedule();
      });
  };

  const pass = (): void => {
    scheduled = false;
    while (!draining && inFlight < context.inFlightMax) {
      const next = pace(pacing, performance.now());
      pacing = next.state;
      if (next.waitMs > 0) return scheduleIn(next.waitMs);
      const shares = collect();
      if (shares.length === 0) return;
      pacing = spendToken(pacing);
      start(shares);
    }
  };
  const scheduleIn = (waitMs: number): void => {
    scheduled = true;
    setTimeout(pass, waitMs);
  };
  // One turn of the event loop gathers what arrives together and costs an idle wake nothing.
  const schedule = (): void => {
    if (scheduled || draining) return;
    scheduled = true;
    setImmediate(pass);
  };
  return {
    arrived: schedule,
    drain: () => {
      draining = true;
      return inFlight === 0 ? Promise.resolve() : new Promise((done) => idle.push(done));
    },
    get stats() {
      return { ...stats, inFlight };
    },
  };
}
