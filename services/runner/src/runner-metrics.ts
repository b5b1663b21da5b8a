/** The figures of a runner as Prometheus reads them. Counts nothing itself. */
import { readConnection } from "@reveille/shared/nats/connection-metrics";
import type { Metrics } from "@reveille/shared/runtime/metrics";
import type { AttemptEnd } from "./attempt.js";
import type { Incarnation } from "./incarnation.js";
import type { LogBudget } from "./log-budget.js";
import type { RunnerPorts } from "./ports.js";

export interface RunnerFigures {
  pool: string;
  slots: number;
  /** The present life, and those whose reports are still sent. */
  lives: readonly Pick<Incarnation, "liveCount" | "spareCount" | "unanswered">[];
  draining: boolean;
  /** Since the start. */
  begun: number;
  ended: Readonly<Record<AttemptEnd, number>>;
  starts: Readonly<Record<"spare" | "spawn", number>>;
  logs: Pick<LogBudget, "inFlight" | "written" | "spool" | "capped" | "throttled">;
}

/** Registers what is read at each scrape. */
export function readRunner(
  metrics: Metrics,
  { bus, stored, logPublisher }: Pick<RunnerPorts, "bus" | "stored" | "logPublisher">,
  figures: () => RunnerFigures,
): void {
  const sum = (count: (life: RunnerFigures["lives"][number]) => number): number =>
    figures().lives.reduce((total, life) => total + count(life), 0);
  readConnection(metrics, bus, [stored, logPublisher]);
  metrics.read("reveille_runner_slots", () => {
    const { pool, slots } = figures();
    return [{ labels: { pool }, value: slots }];
  });
  metrics.read("reveille_runner_attempts_live", () => sum(({ liveCount }) => liveCount));
  metrics.read("reveille_runner_spares", () => sum(({ spareCount }) => spareCount));
  metrics.read("reveille_runner_reports_unanswered", () => sum(({ unanswered }) => unanswered));
  metrics.read("reveille_runner_draining", () => Number(figures().draining));
  metrics.read("reveille_runner_lives_total", () => figures().begun);
  metrics.read("reveille_runner_starts_total", () => byLabel("from", figures().starts));
  metrics.read("reveille_runner_attempts_total", () => byLabel("end", figures().ended));
  metrics.read("reveille_runner_log_bytes_total", () => figures().logs.written);
  metrics.read("reveille_runner_log_bytes_in_flight", () => figures().logs.inFlight);
  metrics.read("reveille_runner_spool_bytes", () => figures().logs.spool.bytes);
  metrics.read("reveille_runner_log_capped_total", () => figures().logs.capped);
  metrics.read("reveille_runner_log_throttled_total", () => figures().logs.throttled);
}

const byLabel = (label: string, counts: Readonly<Record<string, number>>) =>
  Object.entries(counts).map(([name, value]) => ({ labels: { [label]: name }, value }));
