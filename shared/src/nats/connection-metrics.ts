/** What every service tells of its connection to NATS. Counts nothing itself. */
import type { Metrics } from "../runtime/metrics.js";
import type { Bus } from "./bus.js";
import type { StoredPublisher } from "./stored-publisher.js";

/** Registers the connection and all its publishers, which are told in sum. */
export function readConnection(
  metrics: Metrics,
  bus: Pick<Bus, "connected">,
  publishers: readonly Pick<StoredPublisher, "inFlight" | "retries">[],
): void {
  metrics.read("reveille_nats_connected", () => (bus.connected ? 1 : 0));
  metrics.read("reveille_publishes_in_flight", () =>
    publishers.reduce((sum, { inFlight }) => sum + inFlight, 0),
  );
  metrics.read("reveille_publish_retries_total", () =>
    publishers.reduce((sum, { retries }) => sum + retries, 0),
  );
}
