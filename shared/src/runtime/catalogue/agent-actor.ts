/** What an actor host exposes: its partitions, its batches, what it decided. Counts nothing itself. */
import { waitSeconds, workSeconds } from "./spec.js";
import type { MetricSpec } from "./spec.js";

const services = ["agent-actor"] as const;

export const metricsOfAgentActor = {
  reveille_partitions_owned: {
    type: "gauge",
    help: "Partitions that this host owns.",
    services,
  },
  reveille_partitions_reading: {
    type: "gauge",
    help: "Partitions of this host that are being read.",
    services,
  },
  reveille_partition_lag_messages: {
    type: "gauge",
    help: "Messages in this host's partitions that are not decided, as JetStream last told.",
    services,
  },
  reveille_partition_changes_total: {
    type: "counter",
    help: "Partitions that came to this host, were handed over by it, or were lost by it.",
    labels: { change: ["taken", "handed_over", "lost"] },
    services,
  },
  reveille_host_lease_trusted: {
    type: "gauge",
    help: "1 while this host trusts its lease and may commit, else 0.",
    services,
  },
  reveille_host_lease_renewals_total: {
    type: "counter",
    help: "Renewals of this host's lease.",
    labels: { outcome: ["renewed", "failed"] },
    services,
  },
  reveille_mailbox_buffered_messages: {
    type: "gauge",
    help: "Messages that have arrived and wait for a batch.",
    services,
  },
  reveille_mailbox_generation: {
    type: "gauge",
    help: "The generation of the mailbox stream; it rises when the stream was lost or rolled back.",
    services,
  },
  reveille_mailbox_wait_seconds: {
    type: "histogram",
    help: "From the moment a message was stored until it was taken; the oldest of each batch.",
    buckets: workSeconds,
    services,
  },
  reveille_batches_total: { type: "counter", help: "Batches that were begun.", services },
  reveille_batches_in_flight: { type: "gauge", help: "Batches under way.", services },
  reveille_messages_total: {
    type: "counter",
    help: "Messages that were taken into batches.",
    services,
  },
  reveille_decision_seconds: {
    type: "histogram",
    help: "Reading what a batch needs and deciding it, locks included.",
    buckets: workSeconds,
    services,
  },
  reveille_commit_seconds: {
    type: "histogram",
    help: "One statement that commits a batch, whatever it came to.",
    buckets: workSeconds,
    services,
  },
  reveille_commits_total: {
    type: "counter",
    help: "Batches by what their commit came to; fenced ones had lost a partition to another host.",
    labels: {
      outcome: ["committed", "overtaken", "fenced", "issue-held", "rejected", "unavailable"],
    },
    services,
  },
  reveille_agents_resident: {
    type: "gauge",
    help: "Agents whose state is in memory.",
    services,
  },
  reveille_wakes_decided_total: {
    type: "counter",
    help: "Wakes by their verdict.",
    labels: { outcome: ["queued", "coalesced", "deferred", "skipped", "rejected"] },
    services,
  },
  reveille_wakes_rejected_total: {
    type: "counter",
    help: "Wakes that were refused, by why.",
    labels: { reason: "reasons of refusals, a fixed set" },
    services,
  },
  reveille_run_start_delay_seconds: {
    type: "histogram",
    help: "From a run's place in the mailbox to its first go.",
    buckets: waitSeconds,
    services,
  },
  reveille_runs_ended_total: {
    type: "counter",
    help: "Runs that ended, by how.",
    labels: { status: ["succeeded", "failed", "cancelled", "timed_out"] },
    services,
  },
  reveille_attempts_lost_total: {
    type: "counter",
    help: "Attempts that were lost: reported by runner or guard, or noticed by an expired lease.",
    labels: { how: ["reported", "expired"] },
    services,
  },
  reveille_lock_requests_total: {
    type: "counter",
    help: "Requests for the lock of an issue, by what they came to; waiting ones stand in its queue.",
    labels: { outcome: ["held", "waiting", "full"] },
    services,
  },
  reveille_dead_letters_total: {
    type: "counter",
    help: "Messages that could not be decided and were put aside.",
    labels: { stage: ["decode", "decide", "commit"] },
    services,
  },
  reveille_stream_fill_ratio: {
    type: "gauge",
    help: "Bytes of a stream as a share of its limit, 0 to 1.",
    labels: { stream: "the three streams: MAILBOX, EXEC, LOGS with the installation's prefix" },
    services,
  },
} as const satisfies Record<string, MetricSpec>;
