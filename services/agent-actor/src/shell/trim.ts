/**
 * Trims the mailbox stream behind the cursors; the message at a cursor stays, it is the sentinel. Only
 * messages of the generation in force are named, and only once the server's transform echoes it, so a
 * thawed host's trimming of an old stream touches nothing in a new one.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import { purgeBefore, streamFacts } from "@reveille/shared/nats/stream-facts";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { PartitionRow } from "./partition-rows.js";

export interface Trimmer {
  /** Trims what moved since the last call. @throws RuntimeError `BrokerUnavailable`. */
  trim(rows: readonly PartitionRow[], generation: number, trusted: () => boolean): Promise<void>;
}

export function createTrimmer(bus: Bus, subjects: Subjects, stream: string): Trimmer {
  const trimmedTo = new Map<number, string>();
  return {
    trim: async (rows, generation, trusted) => {
      const moved = rows.filter(
        (row) =>
          row.generation === generation &&
          row.cursorSeq > 0 &&
          trimmedTo.get(row.partition) !== markOf(row),
      );
      if (moved.length === 0) return;
      const facts = await streamFacts(bus, stream);
      if (!facts?.transformDest?.startsWith(`${generation}.`)) return;
      for (const row of moved) {
        if (!trusted()) return;
        await purgeBefore(
          bus,
          stream,
          subjects.partitionPurge(generation, row.partition),
          row.cursorSeq,
        );
        trimmedTo.set(row.partition, markOf(row));
      }
    },
  };
}

const markOf = (row: PartitionRow): string => `${row.generation}:${row.cursorSeq}`;
