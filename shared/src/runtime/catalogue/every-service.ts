/** What every service exposes. Counts nothing itself. */
import { serviceNames } from "./spec.js";
import type { MetricSpec } from "./spec.js";

export const metricsOfAll = {
  process_resident_memory_bytes: {
    type: "gauge",
    help: "Memory of the process that is in RAM.",
    services: serviceNames,
  },
  process_cpu_seconds_total: {
    type: "counter",
    help: "Processor time that the process has used, user and system.",
    services: serviceNames,
  },
  process_start_time_seconds: {
    type: "gauge",
    help: "When the process was started, seconds since 1970.",
    services: serviceNames,
  },
  reveille_nats_connected: {
    type: "gauge",
    help: "1 while the connection to NATS stands, else 0.",
    services: serviceNames,
  },
  reveille_publishes_in_flight: {
    type: "gauge",
    help: "Messages published to JetStream and not answered yet.",
    services: serviceNames,
  },
  reveille_publish_retries_total: {
    type: "counter",
    help: "Publishes to JetStream that were sent again because no answer came, or a not-now.",
    services: serviceNames,
  },
} as const satisfies Record<string, MetricSpec>;
