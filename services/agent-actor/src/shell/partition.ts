/**
 * One owned partition: its cursor, its reader and what has arrived. Before it reads, and after every
 * disturbance, it checks that the sentinel (the message at the cursor) is still the one that was
 * applied; if not, the stream was replaced or rolled back, and a new generation begins.
 *
 * States: `opening` (sentinel, generation, reconcile) -> `reading` -> `opening` after a disturbance;
 * `closed` is final. Only a `reading` partition gives messages to a batch.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import { openPartitionReader } from "@reveille/shared/nats/partition-reader";
import type { PartitionReader, StoredMessage } from "@reveille/shared/nats/partition-reader";
import { checkSentinel } from "@reveille/shared/nats/stream-facts";
import type { Pool } from "@reveille/shared/postgres/pool";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { adoptGeneration, raiseGeneration } from "./partition-rows.js";
import type { PartitionRow } from "./partition-rows.js";

export interface PartitionContext {
  bus: Bus;
  pool: Pool;
  logger: Logger;
  subjects: Subjects;
  stream: string;
  /** The generation in force, as last read. */
  generation: () => number;
  /** Tells everybody of a generation that this host raised. */
  generationRaised: (generation: number) => void;
  /** Redoes what is owed; awaited before the first batch. */
  reconcile: (partition: number) => Promise<void>;
  /** Something can be taken. */
  arrived: () => void;
  /** Ownership was found to be gone. */
  lost: (partition: number) => void;
}
export interface Partition {
  readonly number: number;
  readonly epoch: number;
  readonly row: PartitionRow;
  readonly state: "opening" | "reading" | "closed";
  /** A batch holds messages of it: nothing more is taken until it is over. */
  busy: boolean;
  /** Messages that may be taken, in order, at most `max`; the partition's own buffer shrinks. */
  take(max: number): StoredMessage[];
  readonly waitingCount: number;
  /** The batch was committed up to here. */
  advance(seq: number, timestampNs: bigint): void;
  /** Read anew from the cursor: after a lost batch, a reconnect, a new generation. */
  reopen(reason: string): void;
  close(): Promise<void>;
}

/** 512 arrived messages a partition: two and a half batches; beyond it the stream is held back. */
const bufferMax = 512;
/** Between two tries to open; the topology keeper needs about as long to mend a stream. */
const reopenDelayMs = 250;

export function createPartition(taken: PartitionRow, context: PartitionContext): Partition {
  let row = taken;
  let state: Partition["state"] = "opening";
  let buffer: StoredMessage[] = [];
  let reader: PartitionReader | null = null;
  let room: (() => void) | null = null;
  let opening: Promise<void> = Promise.resolve();
  let turn = 0;
  const log = context.logger.child({ partition: row.partition });

  const partition: Partition = {
    number: row.partition,
    epoch: row.epoch,
    busy: false,
    get row() {
      return row;
    },
    get state() {
      return state;
    },
    get waitingCount() {
      return state === "reading" ? buffer.length : 0;
    },
    take: (max) => {
      const taken = buffer.splice(0, max);
      if (buffer.length < bufferMax) room?.();
      return taken;
    },
    advance: (seq, timestampNs) => {
      row = { ...row, cursorSeq: seq, cursorNs: timestampNs };
    },
    reopen: (reason) => {
      if (state === "closed") return;
      if (reason !== "first") log.info({ reason }, "partition is read anew");
      state = "opening";
      turn += 1;
      const mine = turn;
      opening = opening
        .then(() => open(mine))
        .catch((error: unknown) => log.error({ err: error }, "open failed"));
    },
    close: async () => {
      state = "closed";
      turn += 1;
      room?.();
      buffer = [];
      await opening;
      await reader?.stop();
    },
  };

  async function open(mine: number): Promise<void> {
    await reader?.stop();
    reader = null;
    for (let tries = 0; turn === mine; tries += 1) {
      if (tries > 0) await new Promise((go) => setTimeout(go, reopenDelayMs));
      // The batch in flight decides where the cursor is.
      if (partition.busy) continue;
      buffer = [];
      room?.();
      try {
        if (await tryOpen(mine)) return;
      } catch (error) {
        if (tries % 40 === 0) log.warn({ err: error }, "partition cannot be read yet");
      }
    }
  }

  /** True when the partition is read, or is no longer to be. */
  async function tryOpen(mine: number): Promise<boolean> {
    if (row.generation < context.generation()) {
      const adopted = await adoptGeneration(context.pool, row, context.generation());
      if (!adopted) {
        context.lost(row.partition);
        return true;
      }
      row = adopted;
    }
    if (row.cursorSeq > 0) {
      const sentinel = await checkSentinel(
        context.bus,
        context.stream,
        row.cursorSeq,
        row.cursorNs,
      );
      if (sentinel === "no-stream") return false;
      if (sentinel === "gone") {
        log.warn(
          { cursor: row.cursorSeq, generation: row.generation },
          "the sentinel is gone: the stream was replaced or rolled back",
        );
        context.generationRaised(await raiseGeneration(context.pool, row.generation));
        return false;
      }
    }
    await context.reconcile(row.partition);
    if (turn !== mine) return true;
    await startReader(mine);
    if (turn === mine) state = "reading";
    context.arrived();
    return true;
  }

  async function startReader(mine: number): Promise<void> {
    // From the sentinel itself: that it comes first shows that nothing was replaced since it was checked.
    let sentinel = row.cursorSeq > 0 ? { seq: row.cursorSeq, ns: row.cursorNs } : null;
    reader = await openPartitionReader(context.bus, {
      stream: context.stream,
      filter: context.subjects.partitionFilter(row.partition),
      startSeq: Math.max(1, row.cursorSeq),
      take: async (message) => {
        if (turn !== mine) return;
        if (sentinel) {
          const same = sentinel.seq === message.seq && sentinel.ns === message.timestampNs;
          sentinel = null;
          if (!same) partition.reopen("another message stands where the sentinel was");
          return;
        }
        buffer.push(message);
        if (!partition.busy) context.arrived();
        while (buffer.length >= bufferMax && turn === mine)
          await new Promise<void>((go) => (room = go));
      },
      onEnd: (reason) => {
        if (turn === mine) partition.reopen(reason);
      },
    });
  }

  partition.reopen("first");
  return partition;
}

/** Was this message applied before the generation changed? */
export const wasApplied = (row: PartitionRow, message: StoredMessage): boolean =>
  message.seq <= row.skipSeq && message.timestampNs <= row.skipNs;
