/** What the lines of witnesses say by themselves: who met whom, and how many lived at once. Knows no rows. */
import type { Check } from "./check.js";
import type { InvariantId, Shown } from "./report.js";
import type { Snapshot } from "./snapshot.js";
import type { WitnessedAttempt } from "./witness-index.js";

/** Processes that found, by a lock of the kernel, somebody alive who should not be. */
export const overlapCheck = (
  invariant: InvariantId,
  met: "run" | "agent" | "issue",
  title: string,
): Check => ({
  invariant,
  title,
  unit: "witnessed attempts",
  needs: ["witness"],
  stage: "snapshot",
  run: async ({ witness, rowsMax }) => {
    // A witness that does not say whom it met has met its own run.
    const overlaps = witness!.overlaps.filter((line) => (line.with ?? "run") === met);
    return {
      looked: witness!.attempts.size,
      violations: overlaps.length,
      rows: overlaps.slice(0, rowsMax).map(({ what: _what, with: _with, ...line }) => line),
    };
  },
});

interface Sweep {
  invariant: InvariantId;
  title: string;
  /** Whose processes are counted together; null: these are not counted. */
  keyOf: (attempt: WitnessedAttempt) => string | null;
  /** How many each may have at once; who is not there may have one. */
  limits: (snapshot: Snapshot, keys: readonly string[]) => Promise<ReadonlyMap<string, number>>;
}

/**
 * Counts who lived at once, in the order of the lines. A killed attempt writes no end; its run keeps its place, so the next attempt
 * takes it. When it was the last, nothing here tells how long it lived, and it is not counted; locks of the kernel tell.
 */
export const sweepCheck = ({ invariant, title, keyOf, limits }: Sweep): Check => ({
  invariant,
  title,
  unit: "witnessed attempts",
  needs: ["witness"],
  stage: "snapshot",
  run: async ({ witness, snapshot, rowsMax }) => {
    const { attempts, order } = witness!;
    const keys = new Set([...attempts.values()].flatMap((attempt) => keyOf(attempt) ?? []));
    const allowed = await limits(snapshot, [...keys]);
    const lastAttempt = new Map<string, number>();
    for (const { runId, attempt } of attempts.values())
      lastAttempt.set(runId, Math.max(lastAttempt.get(runId) ?? 0, attempt));
    const live = new Map<string, Set<string>>();
    const wrong: Shown[] = [];
    for (const { what, key } of order) {
      const attempt = attempts.get(key)!;
      const counted = keyOf(attempt);
      if (counted === null) continue;
      const runs = live.get(counted) ?? new Set();
      live.set(counted, runs);
      runs.delete(attempt.runId);
      const unfinished = attempt.ends.length === 0;
      if (what === "end" || (unfinished && lastAttempt.get(attempt.runId) === attempt.attempt))
        continue;
      runs.add(attempt.runId);
      const most = allowed.get(counted) ?? 1;
      if (runs.size > most)
        wrong.push({ of: counted, atOnce: runs.size, allowed: most, runs: [...runs] });
    }
    return { looked: attempts.size, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
  },
});
