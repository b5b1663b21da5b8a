/**
 * Puts the chunks of a run's log in order. Publishing is pipelined and repeated, so chunks arrive
 * twice and out of order, live and from the store alike; their numbers say where they belong. Knows
 * no transport: whoever feeds it says when nothing more can come.
 */
import type { LogStreamName } from "./subjects.js";

/** The closing message of an attempt's log. */
export interface LogEnd {
  chunks: number;
  bytes: number;
  sha256: string;
  /** Why bytes are missing; null when none are. */
  cut: string | null;
}

export interface LogChunk {
  attempt: number;
  /** Number within the attempt, over all streams, from 0; the closing message has the next one. */
  seq: number;
  stream: LogStreamName;
  /** Bytes of this attempt and stream before it. */
  offset: number;
  /** When the runner read it, ISO 8601; empty when it did not say. */
  time: string;
  /** What the process wrote; empty in the closing message. */
  bytes: Uint8Array;
  /** Set on the closing message of an attempt. */
  end?: LogEnd;
  /** Its sequence in the LOGS stream; absent when it came live. */
  storedSeq?: number;
  /** How many chunks right before it are lost for good. */
  missing?: number;
}

/** Where the order stands: the next chunk is number `next` of `attempt`; attempt 0: nothing yet. */
export interface LogPosition {
  attempt: number;
  next: number;
}

export interface LogOrder {
  /** Takes one chunk, gives what can be told now, in order. Repeats and older attempts give nothing. */
  accept(chunk: LogChunk): LogChunk[];
  /** Nothing more can come: gives what was held back, each chunk saying how many are missing before it. */
  flush(): LogChunk[];
  /** Chunks are held back because one before them is missing. */
  readonly holding: boolean;
  readonly position: LogPosition;
}

/** Twice what a publisher has in flight at most: a hole older than that is not on its way any more. */
const heldChunksMax = 2_048;
/** 32 MiB: what one reader may cost while it waits for a hole to close. */
const heldBytesMax = 32 * 1024 * 1024;

/** Starts an order at the beginning, or where another one stood. */
export function createLogOrder(start: LogPosition = { attempt: 0, next: 0 }): LogOrder {
  let { attempt, next } = start;
  let held = new Map<number, LogChunk>();
  let heldBytes = 0;

  const run = (): LogChunk[] => {
    const told: LogChunk[] = [];
    for (let chunk = held.get(next); chunk; chunk = held.get(next)) {
      held.delete(next);
      heldBytes -= chunk.bytes.length;
      next += 1;
      told.push(chunk);
    }
    return told;
  };
  const flush = (): LogChunk[] => {
    const told: LogChunk[] = [];
    for (const seq of [...held.keys()].sort((a, b) => a - b)) {
      const chunk = held.get(seq)!;
      told.push(seq === next ? chunk : { ...chunk, missing: seq - next });
      next = seq + 1;
    }
    held = new Map();
    heldBytes = 0;
    return told;
  };
  return {
    accept: (chunk) => {
      if (chunk.attempt < attempt) return [];
      const before: LogChunk[] = [];
      if (chunk.attempt > attempt) {
        // A new attempt starts only when the old one can write no more: what is missing of it stays so.
        before.push(...flush());
        attempt = chunk.attempt;
        next = 0;
      }
      if (chunk.seq < next || held.has(chunk.seq)) return before;
      held.set(chunk.seq, chunk);
      heldBytes += chunk.bytes.length;
      before.push(...run());
      if (held.size > heldChunksMax || heldBytes > heldBytesMax) before.push(...flush());
      return before;
    },
    flush,
    get holding() {
      return held.size > 0;
    },
    get position() {
      return { attempt, next };
    },
  };
}

/** Reads the closing header, `chunks=N; bytes=N; sha256=HEX` and perhaps `; cut=REASON`; null when it is none. */
export function parseLogEnd(text: string | undefined): LogEnd | null {
  if (!text) return null;
  const fields = new Map<string, string>();
  let rest = text;
  // The reason comes last and may contain anything.
  const cutAt = text.indexOf("; cut=");
  if (cutAt >= 0) {
    fields.set("cut", text.slice(cutAt + "; cut=".length));
    rest = text.slice(0, cutAt);
  }
  for (const part of rest.split(";")) {
    const at = part.indexOf("=");
    if (at > 0) fields.set(part.slice(0, at).trim(), part.slice(at + 1).trim());
  }
  const chunks = Number(fields.get("chunks"));
  const bytes = Number(fields.get("bytes"));
  if (!Number.isSafeInteger(chunks) || !Number.isSafeInteger(bytes)) return null;
  return { chunks, bytes, sha256: fields.get("sha256") ?? "", cut: fields.get("cut") ?? null };
}
