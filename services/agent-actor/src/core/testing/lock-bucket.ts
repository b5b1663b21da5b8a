/**
 * The bucket of issue locks, as the shell uses it: the rules of `core/lock.ts`, and the question
 * whether a holder lives, which is put to whoever made it. It may be wiped at any moment.
 */
import { acquire, assertHolder, release } from "../lock.js";
import type { LockEntry, LockValue } from "../lock.js";
import type { Position } from "../state.js";
import type { LockOutcome } from "../delivery.js";

export interface LockBucket {
  acquire(issueId: string, entry: LockEntry): { outcome: LockOutcome; replaced: LockEntry | null };
  release(issueId: string, runId: string, notAfter: Position | null): LockEntry | null;
  assertHolder(issueId: string, entry: LockEntry): void;
  wipe(): void;
  readonly values: ReadonlyMap<string, LockValue>;
}

export function createLockBucket(
  isAlive: (issueId: string, holder: LockEntry) => boolean,
): LockBucket {
  const values = new Map<string, LockValue>();
  const write = (issueId: string, value: LockValue | null | undefined): void => {
    if (value === null) values.delete(issueId);
    else if (value) values.set(issueId, value);
  };
  return {
    values,
    wipe: () => values.clear(),
    acquire: (issueId, entry) => {
      const before = values.get(issueId) ?? null;
      let result = acquire(before, entry);
      if (result.outcome === "contended")
        result = acquire(before, entry, isAlive(issueId, result.holder));
      if (result.outcome === "contended" || result.outcome === "full")
        return { outcome: "full", replaced: null };
      if (result.write) write(issueId, result.write);
      const holder = values.get(issueId)!.holder;
      const changed = before !== null && before.holder.runId !== holder.runId;
      const replaced = changed && holder.runId !== entry.runId ? holder : null;
      return { outcome: result.outcome, replaced };
    },
    release: (issueId, runId, notAfter) => {
      const result = release(values.get(issueId) ?? null, runId, notAfter);
      write(issueId, result.write);
      return result.granted;
    },
    assertHolder: (issueId, entry) =>
      write(issueId, assertHolder(values.get(issueId) ?? null, entry) ?? undefined),
  };
}
