/**
 * Ownership: renews the host's lease, takes the partitions that rendezvous hashing gives to this host,
 * hands over what it gives to others, and steps down from what was lost. Placement is pure
 * (`core/placement.ts`); who really owns is decided by Postgres alone.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { pause } from "@reveille/shared/runtime/clock";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Metrics } from "@reveille/shared/runtime/metrics";
import { desiredPartitions } from "../core/placement.js";
import { createCutOff } from "./cut-off.js";
import type { CutOff } from "./cut-off.js";
import type { HostLease, HostView } from "./host-lease.js";
import type { Partition } from "./partition.js";
import { releasePartitions, takePartitions } from "./partition-rows.js";
import type { PartitionRow } from "./partition-rows.js";

export interface HostContext {
  hostId: string;
  pool: Sql;
  bus: Bus;
  clock: Clock;
  subjects: Subjects;
  lease: HostLease;
  leaseTtlMs: number;
  failpoint: Failpoint;
  metrics: Metrics;
  logger: Logger;
  openPartition: (row: PartitionRow) => Partition;
  dropActivations: (partition: number) => void;
}

export class Host {
  readonly #context: HostContext;
  readonly #cutOff: CutOff;
  readonly #partitions = new Map<number, Partition>();
  #generation = 0;
  #beating: Promise<void> | null = null;
  #beatAgain: Promise<void> | null = null;
  #leaving = false;
  #nextEnd: Timer | null = null;

  constructor(context: HostContext) {
    const { clock, bus, leaseTtlMs, logger } = context;
    this.#context = context;
    this.#cutOff = createCutOff({ clock, connected: () => bus.connected, leaseTtlMs, logger });
  }
  get partitions(): ReadonlyMap<number, Partition> {
    return this.#partitions;
  }
  /** The generation in force, as last read. */
  get generation(): number {
    return this.#generation;
  }
  generationSeen(seen: number): void {
    if (seen <= this.#generation) return;
    const first = this.#generation === 0;
    this.#generation = seen;
    if (first) return;
    this.#context.logger.warn({ generation: seen }, "a new generation of the mailbox stream");
    this.reopenAll(`generation ${seen}`);
  }
  /**
   * Renews and rebalances, one turn at a time; never throws. A call during a turn is answered by one more
   * turn, because the one under way may have looked before what the call is about happened. A host that
   * leaves beats no more: renewing would bring back the lease that it gives up.
   */
  beat(): Promise<void> {
    if (this.#leaving) return Promise.resolve();
    if (this.#beating === null) {
      this.#beating = this.#beatOnce().finally(() => (this.#beating = null));
      return this.#beating;
    }
    this.#beatAgain ??= this.#beating.then(() => {
      this.#beatAgain = null;
      return this.beat();
    });
    return this.#beatAgain;
  }
  stepDown(lost: readonly Partition[], reason: string): void {
    this.#context.logger.warn(
      { reason, partitions: lost.map(({ number }) => number) },
      "stepping down",
    );
    for (const partition of lost) this.#forget(partition);
  }
  lost(number: number, reason: string): void {
    const own = this.#partitions.get(number);
    if (own) this.stepDown([own], reason);
  }
  /** Every partition is read anew from its cursor. */
  reopenAll(reason: string): void {
    for (const partition of this.#partitions.values()) partition.reopen(reason);
  }
  /** Hands everything over and gives the lease back. */
  async leave(): Promise<void> {
    const { lease } = this.#context;
    this.#leaving = true;
    this.#nextEnd?.cancel();
    await this.#beating;
    const others = await lease.renew().then(
      (view) => view.hosts,
      () => [],
    );
    await this.#handOver([...this.#partitions.values()], []);
    await lease.resign();
    this.#tell(others);
  }

  async #beatOnce(): Promise<void> {
    try {
      if (!this.#cutOff.mayRenew()) {
        this.#nextEnd?.cancel();
        return;
      }
      const view = await this.#context.lease.renew();
      this.#context.metrics.count("reveille_host_lease_renewals_total", { outcome: "renewed" });
      this.generationSeen(view.generation);
      this.#lookAtEnd(view);
      if (!this.#leaving) await this.#rebalance(view);
    } catch (error) {
      this.#context.metrics.count("reveille_host_lease_renewals_total", { outcome: "failed" });
      this.#context.logger.warn({ err: error }, "the lease could not be renewed");
    }
  }

  /** A lease that ends is noticed when it does, not at the next renewal: its agents wait for nothing else. */
  #lookAtEnd({ firstEndMs }: HostView): void {
    this.#nextEnd?.cancel();
    this.#nextEnd =
      firstEndMs === null || this.#leaving
        ? null
        : this.#context.clock.after(firstEndMs + endMarginMs, () => void this.beat());
  }

  async #rebalance(view: HostView): Promise<void> {
    const { hostId, logger } = this.#context;
    const desired = desiredPartitions(hostId, view.hosts, view.partitionCount);
    for (const { partition, owner, epoch } of view.owners) {
      const own = this.#partitions.get(partition);
      if (!own || (owner === hostId && epoch === own.epoch)) continue;
      logger.warn({ partition }, "ownership is gone");
      this.#forget(own);
    }
    await this.#takeOver(view, desired);
    const given = [...this.#partitions.values()].filter(({ number }) => !desired.has(number));
    await this.#handOver(given, view.hosts);
  }

  async #takeOver(view: HostView, desired: ReadonlySet<number>): Promise<void> {
    const { hostId, pool, logger, dropActivations, openPartition } = this.#context;
    // Owned by our id and not held: an earlier turn that failed half-way. Released, then taken anew.
    const stale = view.owners.filter(
      ({ partition, owner }) => owner === hostId && !this.#partitions.has(partition),
    );
    if (stale.length > 0) await releasePartitions(pool, hostId, numbers(stale));
    const live = new Set(view.hosts);
    const { returning } = this.#cutOff;
    const free = view.owners.filter(
      ({ partition, owner }) =>
        desired.has(partition) &&
        !this.#partitions.has(partition) &&
        (owner === null || owner === hostId || (!live.has(owner) && !returning)),
    );
    if (free.length === 0) return;
    const taken = await takePartitions(pool, hostId, numbers(free));
    this.#context.failpoint("after-takeover");
    this.#changed("taken", taken.length);
    for (const row of taken) {
      // All that is cached for a partition is read after it was taken.
      dropActivations(row.partition);
      this.#partitions.set(row.partition, openPartition(row));
    }
    logger.info(
      { partitions: taken.length, owned: this.#partitions.size, hosts: view.hosts.length },
      "took over",
    );
  }

  /** What belongs to others is drained, released, and the others are told. */
  async #handOver(given: readonly Partition[], hosts: readonly string[]): Promise<void> {
    if (given.length === 0) return;
    const { hostId, pool, logger, dropActivations } = this.#context;
    for (const partition of given) this.#partitions.delete(partition.number);
    await Promise.all(given.map((partition) => partition.close()));
    // A batch in flight holds their cursors: it ends (or is fenced) before the next owner reads them.
    await Promise.all(given.map((partition) => untilFree(this.#context.clock, partition)));
    const released = given.map(({ number }) => number);
    await releasePartitions(pool, hostId, released);
    this.#changed("handed_over", released.length);
    for (const partition of released) dropActivations(partition);
    logger.info({ partitions: released.length }, "handed over");
    this.#tell(hosts);
  }

  #forget(partition: Partition): void {
    const { dropActivations, logger } = this.#context;
    if (this.#partitions.get(partition.number) === partition) {
      this.#partitions.delete(partition.number);
      this.#changed("lost", 1);
    }
    dropActivations(partition.number);
    partition
      .close()
      .catch((error: unknown) => logger.warn({ err: error }, "closing a partition failed"));
  }

  #changed(change: "taken" | "handed_over" | "lost", partitions: number): void {
    this.#context.metrics.count("reveille_partition_changes_total", { change }, partitions);
  }

  #tell(hosts: Iterable<string>): void {
    const { hostId, bus, subjects } = this.#context;
    for (const other of hosts)
      if (other !== hostId) bus.publish(subjects.handover(other), new Uint8Array());
  }
}

const numbers = (owned: readonly { partition: number }[]): number[] =>
  owned.map(({ partition }) => partition);

/** 10 ms: behind the end on the clock of Postgres, on which it was read with whole milliseconds. */
const endMarginMs = 10;
/** 5 s: a batch that takes longer is past its statement timeout and fenced by the release anyway. */
const freeWaitMs = 5_000;

async function untilFree(clock: Clock, partition: Partition): Promise<void> {
  const until = clock.monotonicMs() + freeWaitMs;
  while (partition.busy && clock.monotonicMs() < until) await pause(clock, 5);
}
