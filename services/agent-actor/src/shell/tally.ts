/**
 * Counts what this host has decided and committed: wakes, runs, locks, what became a dead letter, and how long
 * it took. A few observations a batch. For metrics alone; nothing is decided by it.
 */
import type { Metrics } from "@reveille/shared/runtime/metrics";
import type { Decided } from "../core/decision.js";
import type { Delivery, LockOutcome } from "../core/delivery.js";
import type { AgentState, Json } from "../core/state.js";
import type { Committed } from "./commit.js";

/** One message as it was decided; kept until its batch is committed. */
export interface DecisionNote {
  before: AgentState;
  delivery: Delivery;
  decided: Decided;
}
/** What a committed batch had in it. */
export interface Batch {
  verdicts: readonly Json[];
  deadLetters: readonly Json[];
  decisions: readonly DecisionNote[];
}

export interface Tally {
  /** The oldest message of a batch waited for so long, by two clocks: less than nothing counts as nothing. */
  taken(waitedMs: number): void;
  decided(tookMs: number): void;
  commit(outcome: Committed["kind"], tookMs: number): void;
  committed(batch: Batch): void;
  lock(outcome: LockOutcome): void;
}

const msPerSecond = 1_000;

export function createTally(metrics: Metrics): Tally {
  return {
    taken: (waitedMs) => metrics.observe("reveille_mailbox_wait_seconds", waitedMs / msPerSecond),
    decided: (tookMs) => metrics.observe("reveille_decision_seconds", tookMs / msPerSecond),
    commit: (outcome, tookMs) => {
      metrics.observe("reveille_commit_seconds", tookMs / msPerSecond);
      metrics.count("reveille_commits_total", { outcome });
    },
    committed: ({ verdicts, deadLetters, decisions }) => {
      countVerdicts(metrics, verdicts);
      for (const { stage } of deadLetters)
        metrics.count("reveille_dead_letters_total", { stage: String(stage) });
      for (const note of decisions) countRuns(metrics, note);
    },
    lock: (outcome) => metrics.count("reveille_lock_requests_total", { outcome }),
  };
}

function countVerdicts(metrics: Metrics, verdicts: readonly Json[]): void {
  const outcomes = new Map<string, number>();
  for (const row of verdicts) {
    const { outcome, reason } = row["verdict"] as { outcome: string; reason?: string };
    // Reasons of refusals come from a small fixed set; those of other outcomes are not labels.
    if (outcome === "rejected")
      metrics.count("reveille_wakes_rejected_total", { reason: reason ?? "unknown" });
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  for (const [outcome, times] of outcomes)
    metrics.count("reveille_wakes_decided_total", { outcome }, times);
}

function countRuns(metrics: Metrics, { delivery, decided }: DecisionNote): void {
  for (const row of decided.rows)
    if (row.table === "runEnds")
      metrics.count("reveille_runs_ended_total", { status: String(row.row["status"]) });
  if (decided.outcome !== "applied") return;
  const { message, atMs } = delivery;
  if (message.kind === "run.lost")
    metrics.count("reveille_attempts_lost_total", { how: "reported" });
  else if (message.kind === "expired")
    metrics.count("reveille_attempts_lost_total", { how: "expired" });
  else if (message.kind === "run.started") {
    const run = decided.state.runs.find(({ id }) => id === message.body.runId);
    // A repeated attempt keeps the moment of its first go.
    if (run?.startedAtMs === atMs)
      metrics.observe("reveille_run_start_delay_seconds", (atMs - run.createdAtMs) / msPerSecond);
  }
}
