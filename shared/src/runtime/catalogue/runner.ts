/** What a runner exposes: its slots, attempts and logs. Counts nothing itself. */
import { workSeconds } from "./spec.js";
import type { MetricSpec } from "./spec.js";

const services = ["runner"] as const;

export const metricsOfRunner = {
  reveille_runner_slots: {
    type: "gauge",
    help: "Runs that this runner takes at a time.",
    labels: { pool: "the runner's own pool" },
    services,
  },
  reveille_runner_attempts_live: {
    type: "gauge",
    help: "Attempts that hold a slot.",
    services,
  },
  reveille_runner_attempts_total: {
    type: "counter",
    help: "Attempts that ended here, by how.",
    labels: { end: ["ran", "refused", "lost"] },
    services,
  },
  reveille_runner_spares: {
    type: "gauge",
    help: "Processes that wait for a start.",
    services,
  },
  reveille_runner_starts_total: {
    type: "counter",
    help: "Processes that were started, with a spare or without.",
    labels: { from: ["spare", "spawn"] },
    services,
  },
  reveille_runner_claim_seconds: {
    type: "histogram",
    help: "From asking for the go to its answer.",
    buckets: workSeconds,
    services,
  },
  reveille_runner_draining: {
    type: "gauge",
    help: "1 while this runner takes nothing more, else 0.",
    services,
  },
  reveille_runner_lives_total: {
    type: "counter",
    help: "Lives that this runner began; a second one means that a guard or a lease failed.",
    services,
  },
  reveille_runner_reports_unanswered: {
    type: "gauge",
    help: "Ended attempts whose report has no answer yet.",
    services,
  },
  reveille_runner_log_bytes_total: {
    type: "counter",
    help: "Bytes that agents printed.",
    services,
  },
  reveille_runner_log_bytes_in_flight: {
    type: "gauge",
    help: "Log bytes that wait for JetStream's answer.",
    services,
  },
  reveille_runner_spool_bytes: {
    type: "gauge",
    help: "Log bytes that wait on the disk.",
    services,
  },
  reveille_runner_log_capped_total: {
    type: "counter",
    help: "Logs that were cut at their size.",
    services,
  },
  reveille_runner_log_throttled_total: {
    type: "counter",
    help: "Times that a log was held back for its rate.",
    services,
  },
} as const satisfies Record<string, MetricSpec>;
