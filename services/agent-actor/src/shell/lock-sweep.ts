/**
 * Takes dead holders out of the bucket of issue locks after JetStream's store was rolled back: then locks stand
 * there again that were released since. Nobody is kept out by one, because whoever asks for the issue replaces
 * a dead holder; but where nobody asks it would stand for good, and be shown. Decides nothing: who is dead, and
 * who follows, is what a release says.
 */
import type { LockEntry } from "../core/lock.js";
import type { IssueLocks } from "./issue-locks.js";

export interface LockSweepContext {
  locks: IssueLocks;
  /** The generation of the mailbox stream in force: a new one is what a rolled-back store is noticed by. */
  generation: () => number;
  /** The next holder of an issue is told. */
  grant: (issueId: string, holder: LockEntry) => void;
}
export interface LockSweep {
  /** Looks once through all locks if a generation began since the last look. @throws RuntimeError of NATS or Postgres; the next call tries again. */
  turn(): Promise<void>;
}

export function createLockSweep({ locks, generation, grant }: LockSweepContext): LockSweep {
  // What stood there before this host did is the others' to look at.
  let swept = generation();
  return {
    turn: async () => {
      const now = generation();
      if (now === swept) return;
      for (const { issueId, holder } of await locks.held()) {
        const next = await locks.releaseDead(issueId, holder);
        if (next) grant(issueId, next);
      }
      swept = now;
    },
  };
}
