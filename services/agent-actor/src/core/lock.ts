/**
 * The lock of an issue as one value: who holds it and who waits. Acquiring, waiting and handing over
 * are single compare-and-set operations on it, so there is no instant at which the lock is free while
 * somebody waits (G6). Pure: the shell does the compare-and-set.
 */
import type { LockEntry, LockValue } from "@reveille/shared/protocol/issue-lock";
import type { Position } from "./state.js";

export type { LockEntry, LockValue };

/** 256 waiters an issue: a value of at most 64 KiB, far below what a bucket takes. */
export const waitersMax = 256;

export type Acquired =
  /** Write this (null: nothing to write) and the outcome holds. */
  | { outcome: "held" | "waiting"; write: LockValue | null }
  | { outcome: "full" }
  /** Somebody else is in the way: it has to be known whether that holder lives. */
  | { outcome: "contended"; holder: LockEntry };

/** Takes the lock or a place in its queue. `holderAlive` is undefined until somebody has looked. */
export function acquire(
  value: LockValue | null,
  entry: LockEntry,
  holderAlive?: boolean,
): Acquired {
  if (value === null) return { outcome: "held", write: { holder: entry, waiters: [] } };
  if (value.holder.runId === entry.runId) {
    // Taken anew by a later message: a release that was under way before it must not take it away.
    const taken = isAfter(entry, value.holder);
    return { outcome: "held", write: taken ? { ...value, holder: entry } : null };
  }
  const waiting = value.waiters.some((waiter) => waiter.runId === entry.runId);
  if (holderAlive === undefined) return { outcome: "contended", holder: value.holder };
  const queue = waiting ? value.waiters : inOrder([...value.waiters, entry]);
  if (!holderAlive) {
    // A dead holder is replaced by the first in the queue, never by oneself past a waiter.
    const [first, ...rest] = queue as [LockEntry, ...LockEntry[]];
    return {
      outcome: first.runId === entry.runId ? "held" : "waiting",
      write: { holder: first, waiters: rest },
    };
  }
  if (waiting) return { outcome: "waiting", write: null };
  if (value.waiters.length >= waitersMax) return { outcome: "full" };
  return { outcome: "waiting", write: { holder: value.holder, waiters: queue } };
}

export interface Released {
  /** The value to write; null: delete the key; undefined: nothing to write. */
  write: LockValue | null | undefined;
  /** Who holds it now and has to be told; also when the hand-over was made before and only the telling is owed. */
  granted: LockEntry | null;
}

/**
 * Lets go of the lock, or of the place in its queue. `notAfter`: the message that let go; what the same
 * run took by a later message stays. Null for a run that is over: it takes nothing any more.
 */
export function release(
  value: LockValue | null,
  runId: string,
  notAfter: Position | null = null,
): Released {
  if (value === null) return { write: undefined, granted: null };
  const given = (entry: LockEntry): boolean =>
    entry.runId === runId && (notAfter === null || !isAfter(entry, notAfter));
  const waiters = value.waiters.filter((waiter) => !given(waiter));
  if (!given(value.holder)) {
    if (waiters.length < value.waiters.length)
      return { write: { holder: value.holder, waiters }, granted: null };
    return { write: undefined, granted: value.holder.runId === runId ? null : value.holder };
  }
  const [first, ...rest] = waiters;
  return first
    ? { write: { holder: first, waiters: rest }, granted: first }
    : { write: null, granted: null };
}

/** Does this stand later in the stream? */
const isAfter = (one: Position, other: Position): boolean =>
  one.generation > other.generation ||
  (one.generation === other.generation && one.sequence > other.sequence);

/** Postgres says that this run holds the issue: the value is made to say so too. */
export function assertHolder(value: LockValue | null, entry: LockEntry): LockValue | null {
  if (value === null) return { holder: entry, waiters: [] };
  if (value.holder.runId === entry.runId) return null;
  const others = [value.holder, ...value.waiters].filter((other) => other.runId !== entry.runId);
  return { holder: entry, waiters: inOrder(others).slice(0, waitersMax) };
}

/** The next holder is the waiter with the smallest (time of the request, id). */
const inOrder = (entries: readonly LockEntry[]): LockEntry[] =>
  [...entries].sort(
    (a, b) => a.requestedAtMs - b.requestedAtMs || (a.requestId < b.requestId ? -1 : 1),
  );
