/** What this host answers to probes and counts for Prometheus. Ready: it trusts its lease and NATS is there. */
import { startHealthServer } from "@reveille/shared/runtime/health-server";
import type { Service } from "@reveille/shared/runtime/service";
import type { ActorConfig } from "../config.js";
import type { Activations } from "./activations.js";
import type { Host } from "./host.js";
import type { Scheduler } from "./scheduler.js";
import type { StreamGauge } from "./stream-gauge.js";
import type { Tally } from "./tally.js";

export interface HealthContext {
  host: Host;
  scheduler: Scheduler;
  activations: Activations;
  trusted: () => boolean;
  natsConnected: () => boolean;
  tally: Tally;
  streamGauge: StreamGauge;
}

/** Listens when the configuration names a port; else a service that does nothing. */
export async function startHealth(config: ActorConfig, context: HealthContext): Promise<Service> {
  const port = config.REVEILLE_HEALTH_PORT;
  if (port === undefined) return { stop: async () => undefined };
  const { host, scheduler, activations, trusted, natsConnected, tally, streamGauge } = context;
  return startHealthServer({
    host: config.REVEILLE_HEALTH_HOST,
    port,
    ready: async () => trusted() && natsConnected(),
    metrics: () => {
      const owned = [...host.partitions.values()];
      const { batches, messages, inFlight } = scheduler.stats;
      const counted = metricsText({
        reveille_partitions_owned: owned.length,
        reveille_partitions_reading: owned.filter(({ state }) => state === "reading").length,
        reveille_mailbox_buffered: owned.reduce((sum, { waitingCount }) => sum + waitingCount, 0),
        reveille_mailbox_generation: host.generation,
        reveille_batches_total: batches,
        reveille_messages_total: messages,
        reveille_batches_in_flight: inFlight,
        reveille_agents_resident: activations.residentCount,
        process_resident_memory_bytes: process.memoryUsage.rss(),
      });
      return counted + tally.text() + streamGauge.text();
    },
  });
}

const metricsText = (figures: Readonly<Record<string, number>>): string =>
  Object.entries(figures)
    .map(
      ([name, value]) =>
        `# TYPE ${name} ${name.endsWith("_total") ? "counter" : "gauge"}\n${name} ${value}\n`,
    )
    .join("");
