/** What this host answers to probes, and its gauges. Ready: it trusts its lease and NATS is there. */
import { readConnection } from "@reveille/shared/nats/connection-metrics";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Bus } from "@reveille/shared/nats/bus";
import { startHealthServer } from "@reveille/shared/runtime/health-server";
import type { Metrics } from "@reveille/shared/runtime/metrics";
import type { Service } from "@reveille/shared/runtime/service";
import type { ActorConfig } from "../config.js";
import type { Activations } from "./activations.js";
import type { Host } from "./host.js";
import type { Partition } from "./partition.js";
import type { Scheduler } from "./scheduler.js";
import type { StreamGauge } from "./stream-gauge.js";

export interface HealthContext {
  host: Host;
  scheduler: Scheduler;
  activations: Activations;
  trusted: () => boolean;
  bus: Pick<Bus, "connected">;
  publisher: StoredPublisher;
  metrics: Metrics;
  streamGauge: StreamGauge;
}

/** Listens when the configuration names a port; else a service that does nothing. */
export async function startHealth(config: ActorConfig, context: HealthContext): Promise<Service> {
  const port = config.REVEILLE_HEALTH_PORT;
  if (port === undefined) return { stop: async () => undefined };
  registerGauges(context);
  const { trusted, bus, metrics } = context;
  return startHealthServer({
    host: config.REVEILLE_HEALTH_HOST,
    port,
    ready: async () => trusted() && bus.connected,
    metrics: () => metrics.text(),
  });
}

function registerGauges(context: HealthContext): void {
  const { host, scheduler, activations, trusted, bus, publisher, metrics, streamGauge } = context;
  const owned = (): Partition[] => [...host.partitions.values()];
  const sum = (of: (partition: Partition) => number): number =>
    owned().reduce((total, partition) => total + of(partition), 0);
  readConnection(metrics, bus, [publisher]);
  metrics.read("reveille_partitions_owned", () => owned().length);
  metrics.read("reveille_partitions_reading", () =>
    sum(({ state }) => Number(state === "reading")),
  );
  metrics.read("reveille_partition_lag_messages", () => sum(({ lagCount }) => lagCount));
  metrics.read("reveille_mailbox_buffered_messages", () => sum(({ waitingCount }) => waitingCount));
  metrics.read("reveille_mailbox_generation", () => host.generation);
  metrics.read("reveille_host_lease_trusted", () => Number(trusted()));
  metrics.read("reveille_batches_total", () => scheduler.stats.batches);
  metrics.read("reveille_messages_total", () => scheduler.stats.messages);
  metrics.read("reveille_batches_in_flight", () => scheduler.stats.inFlight);
  metrics.read("reveille_agents_resident", () => activations.residentCount);
  metrics.read("reveille_stream_fill_ratio", () => streamGauge.samples());
}
