/**
 * Forms batches from what has arrived in the owned partitions and keeps a bounded number under way, over
 * disjoint partitions. One idle wake is a batch of one, at once; under steady load batches are paced.
 */
import type { Logger } from "@reveille/shared/runtime/log";
import { pace, spendToken, startPace } from "../core/pace.js";
import type { PaceState } from "../core/pace.js";
import { runBatch } from "./batch.js";
import type { BatchContext, Share } from "./batch.js";
import type { Partition } from "./partition.js";

export interface SchedulerContext extends BatchContext {
  partitions: () => Iterable<Partition>;
  batchMax: number;
  inFlightMax: number;
  /** These partitions are (or may be) somebody else's. */
  stepDown: (partitions: readonly Partition[], reason: string) => void;
  logger: Logger;
}

export class Scheduler {
  readonly #context: SchedulerContext;
  readonly #idle: (() => void)[] = [];
  #inFlight = 0;
  #batches = 0;
  #messages = 0;
  #scheduled = false;
  #draining = false;
  /** Where the next batch begins to collect, so that no partition starves. */
  #rotation = 0;
  #pacing: PaceState;

  constructor(context: SchedulerContext) {
    this.#context = context;
    this.#pacing = startPace(context.clock.monotonicMs());
  }

  get stats(): { batches: number; messages: number; inFlight: number } {
    return { batches: this.#batches, messages: this.#messages, inFlight: this.#inFlight };
  }

  /**
   * Something arrived or became free. One turn of the event loop gathers what arrives together, and costs
   * an idle wake nothing.
   */
  arrived(): void {
    if (this.#scheduled || this.#draining) return;
    this.#scheduled = true;
    this.#context.clock.soon(() => this.#pass());
  }

  /** Takes nothing more; resolves when no batch is under way. */
  drain(): Promise<void> {
    this.#draining = true;
    return this.#inFlight === 0 ? Promise.resolve() : new Promise((done) => this.#idle.push(done));
  }

  #pass(): void {
    this.#scheduled = false;
    while (!this.#draining && this.#inFlight < this.#context.inFlightMax) {
      const next = pace(this.#pacing, this.#context.clock.monotonicMs());
      this.#pacing = next.state;
      if (next.waitMs > 0) {
        this.#scheduled = true;
        this.#context.clock.after(next.waitMs, () => this.#pass());
        return;
      }
      const shares = this.#collect();
      if (shares.length === 0) return;
      this.#pacing = spendToken(this.#pacing);
      this.#start(shares);
    }
  }

  #collect(): Share[] {
    const free = [...this.#context.partitions()].filter(
      (partition) => !partition.busy && partition.waitingCount > 0,
    );
    const shares: Share[] = [];
    let room = this.#context.batchMax;
    for (let at = 0; at < free.length && room > 0; at += 1) {
      const partition = free[(at + this.#rotation) % free.length]!;
      const messages = partition.take(room);
      partition.busy = true;
      room -= messages.length;
      shares.push({ partition, messages });
    }
    this.#rotation += shares.length;
    return shares;
  }

  #start(shares: Share[]): void {
    const { logger, stepDown } = this.#context;
    this.#inFlight += 1;
    this.#batches += 1;
    this.#messages += shares.reduce((sum, share) => sum + share.messages.length, 0);
    const partitions = shares.map((share) => share.partition);
    runBatch(this.#context, shares)
      .then((outcome) => {
        if (outcome.kind === "step-down") stepDown(partitions, outcome.reason);
      })
      .catch((error: unknown) => {
        // Not foreseen: nothing was committed, so the partitions are read again from their cursors.
        logger.error({ err: error }, "a batch failed");
        for (const partition of partitions) partition.reopen("a batch failed");
      })
      .finally(() => this.#ended(partitions));
  }

  #ended(partitions: readonly Partition[]): void {
    for (const partition of partitions) partition.busy = false;
    this.#inFlight -= 1;
    if (this.#inFlight === 0) for (const done of this.#idle.splice(0)) done();
    this.arrived();
  }
}
