/**
 * One owned partition: its cursor, its reader and what has arrived. Before it reads, and after every
 * disturbance, it checks that the sentinel (the message at the cursor) is still the one that was
 * applied; if not, the stream was replaced or rolled back, and a new generation begins.
 *
 * States: `opening` (sentinel, generation, reconcile) -> `reading` -> `opening` after a disturbance;
 * `closed` is final. Only a `reading` partition gives messages to a batch.
 */
import type { PartitionReader, StoredMessage } from "@reveille/shared/nats/partition-reader";
import type { Streams } from "@reveille/shared/nats/streams";
import type { Sql } from "@reveille/shared/postgres/pool";
import { pause } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { adoptGeneration } from "./partition-rows.js";
import type { PartitionRow } from "./partition-rows.js";

export interface PartitionContext {
  clock: Clock;
  streams: Streams;
  pool: Sql;
  logger: Logger;
  subjects: Subjects;
  stream: string;
  /** The generation in force, as last read. */
  generation: () => number;
  /** The sentinel of a partition is gone: a new generation is to begin. */
  sentinelGone: (row: PartitionRow) => Promise<void>;
  /** Redoes what is owed; awaited before the first batch. */
  reconcile: (partition: number) => Promise<void>;
  /** Something can be taken. */
  arrived: () => void;
  /** Ownership was found to be gone. */
  lost: (partition: number) => void;
}

/** 512 arrived messages a partition: two and a half batches; beyond it the stream is held back. */
const bufferMax = 512;
/** Between two tries to open; the topology keeper needs about as long to mend a stream. */
const reopenDelayMs = 250;
/** Tries between two warnings: one in ten seconds. */
const triesPerWarning = 40;

export class Partition {
  /** A batch holds messages of it: nothing more is taken until it is over. */
  busy = false;
  readonly number: number;
  readonly epoch: number;
  readonly #context: PartitionContext;
  readonly #log: Logger;
  #row: PartitionRow;
  #state: "opening" | "reading" | "closed" = "opening";
  #buffer: StoredMessage[] = [];
  /** Stored behind the last message that came, when it came. */
  #behindCount = 0;
  /** In the batch under way. */
  #takenCount = 0;
  #reader: PartitionReader | null = null;
  /** Called when the buffer has room again. */
  #room: (() => void) | null = null;
  #opening: Promise<void> = Promise.resolve();
  /** Raised with every reopening: what an earlier reader still delivers is nothing. */
  #turn = 0;

  constructor(taken: PartitionRow, context: PartitionContext) {
    this.number = taken.partition;
    this.epoch = taken.epoch;
    this.#row = taken;
    this.#context = context;
    this.#log = context.logger.child({ partition: taken.partition });
    this.#begin();
  }

  get row(): PartitionRow {
    return this.#row;
  }
  get state(): "opening" | "reading" | "closed" {
    return this.#state;
  }
  /** How many messages may be taken now. */
  get waitingCount(): number {
    return this.#state === "reading" ? this.#buffer.length : 0;
  }
  /** Messages that are not decided, as far as JetStream has told: while this reader is held back there may be more. */
  get lagCount(): number {
    return this.#behindCount + this.#buffer.length + (this.busy ? this.#takenCount : 0);
  }
  /** Messages in order, at most `max`; the partition's own buffer shrinks. */
  take(max: number): StoredMessage[] {
    const taken = this.#buffer.splice(0, max);
    this.#takenCount = taken.length;
    if (this.#buffer.length < bufferMax) this.#room?.();
    return taken;
  }
  /** The batch was committed up to here. */
  advance(seq: number, timestampNs: bigint): void {
    this.#row = { ...this.#row, cursorSeq: seq, cursorNs: timestampNs };
  }
  /** Reads anew from the cursor: after a lost batch, a reconnect, a new generation. */
  reopen(reason: string): void {
    if (this.#state === "closed") return;
    this.#log.info({ reason }, "partition is read anew");
    this.#begin();
  }
  async close(): Promise<void> {
    this.#state = "closed";
    this.#turn += 1;
    this.#empty();
    await this.#opening;
    await this.#reader?.stop();
  }

  #begin(): void {
    this.#state = "opening";
    this.#turn += 1;
    const turn = this.#turn;
    this.#opening = this.#opening
      .then(() => this.#open(turn))
      .catch((error: unknown) => this.#log.error({ err: error }, "open failed"));
  }

  #empty(): void {
    this.#buffer = [];
    this.#behindCount = 0;
    this.#room?.();
  }

  async #open(turn: number): Promise<void> {
    await this.#reader?.stop();
    this.#reader = null;
    for (let tries = 0; this.#turn === turn; tries += 1) {
      if (tries > 0) await pause(this.#context.clock, reopenDelayMs);
      // The batch in flight decides where the cursor is.
      if (this.busy) continue;
      this.#empty();
      try {
        if (await this.#tryOpen(turn)) return;
      } catch (error) {
        if (tries % triesPerWarning === 0)
          this.#log.warn({ err: error }, "partition cannot be read yet");
      }
    }
  }

  /** True when the partition is read, or is no longer to be. */
  async #tryOpen(turn: number): Promise<boolean> {
    const { pool, generation, lost, reconcile, arrived } = this.#context;
    if (this.#row.generation < generation()) {
      const adopted = await adoptGeneration(pool, this.#row, generation());
      if (!adopted) {
        lost(this.number);
        return true;
      }
      this.#row = adopted;
    }
    if (this.#row.cursorSeq > 0 && !(await this.#sentinelIsThere())) return false;
    await reconcile(this.number);
    if (this.#turn !== turn) return true;
    await this.#startReader(turn);
    if (this.#turn === turn) this.#state = "reading";
    arrived();
    return true;
  }

  async #sentinelIsThere(): Promise<boolean> {
    const { streams, stream, sentinelGone } = this.#context;
    const { cursorSeq, cursorNs } = this.#row;
    const sentinel = await streams.sentinel(stream, cursorSeq, cursorNs);
    if (sentinel === "gone") await sentinelGone(this.#row);
    return sentinel === "there";
  }

  async #startReader(turn: number): Promise<void> {
    const { streams, stream, subjects, arrived } = this.#context;
    const { cursorSeq, cursorNs } = this.#row;
    // From the sentinel itself: that it comes first shows that nothing was replaced since it was checked.
    let sentinel = cursorSeq > 0 ? { seq: cursorSeq, ns: cursorNs } : null;
    this.#reader = await streams.read({
      stream,
      filter: subjects.partitionFilter(this.number),
      startSeq: Math.max(1, cursorSeq),
      take: async (message) => {
        if (this.#turn !== turn) return;
        if (sentinel) {
          const same = sentinel.seq === message.seq && sentinel.ns === message.timestampNs;
          sentinel = null;
          if (!same) this.reopen("another message stands where the sentinel was");
          return;
        }
        this.#buffer.push(message);
        this.#behindCount = message.behindCount;
        if (!this.busy) arrived();
        while (this.#buffer.length >= bufferMax && this.#turn === turn)
          await new Promise<void>((go) => (this.#room = go));
      },
      onEnd: (reason) => {
        if (this.#turn === turn) this.reopen(reason);
      },
    });
  }
}

/** Was this message applied before the generation changed? */
export const wasApplied = (row: PartitionRow, message: StoredMessage): boolean =>
  message.seq <= row.skipSeq && message.timestampNs <= row.skipNs;
