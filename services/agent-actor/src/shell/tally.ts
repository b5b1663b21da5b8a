/**
 * Counts what this host has committed: how wakes were decided, what was refused at which bound, what became
 * a dead letter. For metrics alone; nothing is decided by it.
 */
import type { Json } from "../core/state.js";

export interface Tally {
  committed(verdicts: readonly Json[], deadLetters: readonly Json[]): void;
  /** Lines for Prometheus. */
  text(): string;
}

export function createTally(): Tally {
  const counts = new Map<string, number>();
  const count = (line: string): void => void counts.set(line, (counts.get(line) ?? 0) + 1);
  return {
    committed: (verdicts, deadLetters) => {
      for (const row of verdicts) {
        const { outcome, reason } = row["verdict"] as { outcome: string; reason?: string };
        // Reasons of refusals come from a small fixed set; those of other outcomes are not labels.
        if (outcome === "rejected")
          count(`reveille_wakes_rejected_total{reason="${reason ?? "unknown"}"}`);
        count(`reveille_wakes_decided_total{outcome="${outcome}"}`);
      }
      for (const { stage } of deadLetters)
        count(`reveille_dead_letters_total{stage="${String(stage)}"}`);
    },
    text: () => [...counts].map(([line, value]) => `${line} ${value}\n`).join(""),
  };
}
