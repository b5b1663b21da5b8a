/** The figures of a runner as Prometheus reads them. Counts nothing itself. */
import type { AttemptEnd } from "./attempt.js";
import type { Incarnation } from "./incarnation.js";
import type { LogBudget } from "./log-budget.js";

export interface RunnerFigures {
  pool: string;
  slots: number;
  /** The present life, and those whose reports are still sent. */
  lives: readonly Pick<Incarnation, "liveCount" | "spareCount" | "unanswered">[];
  /** Since the start. */
  ended: Readonly<Record<AttemptEnd, number>>;
  starts: Readonly<Record<"spare" | "spawn", number>>;
  logs: Pick<LogBudget, "inFlight" | "spool" | "capped" | "throttled">;
}

export function runnerMetrics(figures: RunnerFigures): string {
  const { pool, slots, lives, ended, starts, logs } = figures;
  const sum = (count: (life: RunnerFigures["lives"][number]) => number): number =>
    lives.reduce((total, life) => total + count(life), 0);
  return [
    `reveille_runner_slots{pool="${pool}"} ${slots}`,
    `reveille_runner_attempts_live ${sum((life) => life.liveCount)}`,
    `reveille_runner_spares ${sum((life) => life.spareCount)}`,
    ...Object.entries(starts).map(
      ([from, count]) => `reveille_runner_starts_total{from="${from}"} ${count}`,
    ),
    `reveille_runner_reports_unanswered ${sum((life) => life.unanswered)}`,
    `reveille_runner_log_bytes_in_flight ${logs.inFlight}`,
    `reveille_runner_spool_bytes ${logs.spool.bytes}`,
    `reveille_runner_log_capped_total ${logs.capped}`,
    `reveille_runner_log_throttled_total ${logs.throttled}`,
    ...Object.entries(ended).map(
      ([how, count]) => `reveille_runner_attempts_total{end="${how}"} ${count}`,
    ),
    "",
  ].join("\n");
}
