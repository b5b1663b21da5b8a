/** What a gateway exposes: its requests, and what any gateway can tell of the whole system. Counts nothing itself. */
import { workSeconds } from "./spec.js";
import type { MetricSpec } from "./spec.js";

const pools =
  "pools of the installation (REVEILLE_RUNNER_POOLS, at most 100, and those that still have work)";

const services = ["gateway"] as const;

export const metricsOfGateway = {
  reveille_http_requests_total: {
    type: "counter",
    help: "Requests over HTTP that were answered.",
    labels: { method: "methods of HTTP", status: "status codes that routes declare" },
    services,
  },
  reveille_http_request_seconds: {
    type: "histogram",
    help: "From a request to the end of its answer; streams are not counted.",
    buckets: workSeconds,
    services,
  },
  reveille_wakes_total: {
    type: "counter",
    help: "Wakes over HTTP, by what their caller was told.",
    labels: { outcome: ["queued", "coalesced", "deferred", "skipped", "rejected", "undecided"] },
    services,
  },
  reveille_wakes_waiting: {
    type: "gauge",
    help: "Requests that wait for the verdict on their wake.",
    services,
  },
  reveille_wakes_undecided: {
    type: "gauge",
    help: "Wakes that this gateway sent and has no verdict of.",
    services,
  },
  reveille_wakes_sent_again_total: {
    type: "counter",
    help: "Wakes that were put into a new generation of the mailbox stream.",
    services,
  },
  reveille_wakes_untracked_total: {
    type: "counter",
    help: "Wakes that were not remembered because too many were undecided.",
    services,
  },
  reveille_wakes_owed: {
    type: "gauge",
    help: "Wakes that follow from what gateways wrote and have no verdict yet; of the whole system.",
    services,
  },
  reveille_mailbox_fill_ratio: {
    type: "gauge",
    help: "How full the mailbox stream was when a wake last asked, 0 to 1.",
    services,
  },
  reveille_mailbox_lag_messages: {
    type: "gauge",
    help: "Messages in all mailboxes that are not decided; what was decided in the last second may be among them.",
    services,
  },
  reveille_partitions_unowned: {
    type: "gauge",
    help: "Partitions that no living actor host owns.",
    services,
  },
  reveille_actor_hosts: {
    type: "gauge",
    help: "Actor hosts whose lease has not ended.",
    services,
  },
  reveille_runs_live: {
    type: "gauge",
    help: "Runs that are not over, by where they are; of queued ones at most 100,000 are counted.",
    labels: { phase: ["queued", "waiting", "dispatched", "running", "cancelling"] },
    services,
  },
  reveille_pool_waiting: {
    type: "gauge",
    help: "Runs that have their slot and wait for a runner of the pool.",
    labels: { pool: pools },
    services,
  },
  reveille_pool_running: {
    type: "gauge",
    help: "Runs that a runner of the pool has.",
    labels: { pool: pools },
    services,
  },
  reveille_pool_demand: {
    type: "gauge",
    help: "Slots that the pool needs now: waiting and running together.",
    labels: { pool: pools },
    services,
  },
  reveille_pool_slots: {
    type: "gauge",
    help: "Slots of the pool's living runners that still take work.",
    labels: { pool: pools },
    services,
  },
  reveille_pool_runners: {
    type: "gauge",
    help: "Living runners of the pool.",
    labels: { pool: pools },
    services,
  },
  reveille_log_streams: { type: "gauge", help: "Logs that are being followed.", services },
  reveille_event_sockets: {
    type: "gauge",
    help: "WebSockets that are open, of events and logs.",
    services,
  },
  reveille_event_sockets_dropped_total: {
    type: "counter",
    help: "WebSockets that were closed because their reader was too slow.",
    services,
  },
  reveille_event_frames_total: {
    type: "counter",
    help: "Frames that were sent to WebSockets.",
    services,
  },
} as const satisfies Record<string, MetricSpec>;
