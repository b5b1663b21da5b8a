/**
 * Trims the mailbox stream behind the cursors; the message at a cursor stays, it is the sentinel. Every
 * purge names a generation, and none happens before the server's transform echoes the one in force, so
 * a thawed host's trimming of an old stream touches nothing in a new one. Only what is being read is trimmed: after a reconnect the
 * sentinel has to be there first, because a store that was rolled back gives the sequences behind a cursor out again.
 */
import type { Streams } from "@reveille/shared/nats/streams";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Partition } from "./partition.js";
import type { PartitionRow } from "./partition-rows.js";

/** Older generations whose leftovers are looked for: a stream that is replaced more often is beyond help. */
const olderGenerations = 8;
/** Trims between two looks at what no partition holds: some minutes of a busy host, and one question in so many. */
const straysEvery = 64;

export class Trimmer {
  readonly #streams: Streams;
  readonly #subjects: Subjects;
  readonly #stream: string;
  readonly #trimmedTo = new Map<number, string>();
  /** Partitions whose leftovers of older generations are gone, by the generation in which they were looked for. */
  readonly #swept = new Map<number, number>();

  #trims = 0;

  constructor(streams: Streams, subjects: Subjects, stream: string) {
    this.#streams = streams;
    this.#subjects = subjects;
    this.#stream = stream;
  }

  /**
   * Trims what moved since the last call, as long as `may` says so: the lease is trusted, and the connection is there, since what is
   * asked without one is sent with the next. @throws RuntimeError `BrokerUnavailable`.
   */
  async trim(
    partitions: readonly Pick<Partition, "row" | "state">[],
    generation: number,
    may: () => boolean,
  ): Promise<void> {
    const moved = partitions.filter(
      ({ row, state }) =>
        state === "reading" &&
        row.generation === generation &&
        row.cursorSeq > 0 &&
        this.#trimmedTo.get(row.partition) !== markOf(row),
    );
    if (moved.length === 0) return;
    const facts = await this.#streams.facts(this.#stream);
    if (!facts?.transformDest?.startsWith(`${generation}.`)) return;
    for (const partition of moved) {
      if (!may()) return;
      if (partition.state !== "reading") continue;
      const { row } = partition;
      await this.#purge(row, generation);
      await this.#sweep(row, generation);
      this.#trimmedTo.set(row.partition, markOf(row));
    }
    if (may()) await this.#removeStrays();
  }

  /** A consumer of logs may be told to deliver into a mailbox: what it delivers keeps its own subject, which no partition reads. */
  async #removeStrays(): Promise<void> {
    const { prefix } = this.#subjects;
    this.#trims += 1;
    // A prefix of digits would name a generation.
    if (this.#trims % straysEvery === 0 && !/^\d+$/.test(prefix))
      await this.#streams.purgeSubject(this.#stream, `${prefix}.>`);
  }

  async #purge(row: PartitionRow, generation: number): Promise<void> {
    const filter = this.#subjects.partitionPurge(generation, row.partition);
    await this.#streams.purgeBefore(this.#stream, filter, row.cursorSeq);
  }

  /** What a rolled-back stream still holds under older generations lies behind a cursor of this one: it was applied. */
  async #sweep(row: PartitionRow, generation: number): Promise<void> {
    if (this.#swept.get(row.partition) === generation) return;
    for (let older = Math.max(1, generation - olderGenerations); older < generation; older += 1)
      await this.#purge(row, older);
    this.#swept.set(row.partition, generation);
  }
}

const markOf = (row: PartitionRow): string => `${row.generation}:${row.cursorSeq}`;
