/**
 * The NATS connection that a guard opens for its last words, and closes after them. While its runner is
 * well a guard has none.
 */
import { openBucket } from "@reveille/shared/nats/bucket";
import { connectBus } from "@reveille/shared/nats/bus";
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { runnerInboxPrefix } from "@reveille/shared/protocol/inboxes";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Hello } from "./guard-protocol.js";
import type { GuardConnection } from "./last-words.js";

/** @throws RuntimeError `BrokerUnavailable` */
export async function connectGuard(hello: Hello): Promise<GuardConnection> {
  const bus = await connectBus({
    url: hello.natsUrl,
    credsFile: hello.natsCredsFile,
    nkeyFile: hello.natsNkeyFile,
    name: `reveille-guard-${hello.runnerId}`,
    inboxPrefix: runnerInboxPrefix(hello.pool),
    connectTimeoutMs: 5_000,
  });
  const stored = new StoredPublisher(bus);
  return {
    bus,
    stored,
    leases: () => openBucket(bus, topologyNames(hello.subjectPrefix).runnerLeases),
    close: async () => {
      stored.close();
      await bus.close();
    },
  };
}
