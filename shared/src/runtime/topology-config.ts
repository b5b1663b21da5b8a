/**
 * What whoever keeps streams, consumers and buckets reads from its environment: an actor host, and the command that makes them before
 * there is any. Opens nothing.
 */
import { z } from "zod";
import { poolsShape } from "../protocol/runner-pools.js";
import { defaultSizes } from "../protocol/topology.js";
import type { TopologySizes } from "../protocol/topology.js";
import { integer } from "./config.js";

export const topologyShape = {
  /**
   * The identity of the topology keeper, which alone makes streams, consumers and buckets: a second connection. Any of the three
   * makes one; what is not given is the service's own. None: the service's own connection does it.
   */
  REVEILLE_KEEPER_NATS_URL: z.string().optional(),
  REVEILLE_KEEPER_NATS_CREDS_FILE: z.string().optional(),
  REVEILLE_KEEPER_NATS_NKEY_FILE: z.string().optional(),
  ...poolsShape,
  /** Replicas of streams and buckets: 1 on one server, 3 on a cluster. */
  REVEILLE_JETSTREAM_REPLICAS: integer(1, 5).default(1),
  /** Above 80 % of it gateways take no more wakes; full, it refuses everything. */
  REVEILLE_MAILBOX_MAX_BYTES: integer(1_000_000, Number.MAX_SAFE_INTEGER).optional(),
  REVEILLE_EXEC_MAX_BYTES: integer(1_000_000, Number.MAX_SAFE_INTEGER).optional(),
  REVEILLE_LOGS_MAX_BYTES: integer(1_000_000, Number.MAX_SAFE_INTEGER).optional(),
  REVEILLE_RUNNER_LEASE_TTL_MS: integer(1_000, 600_000).default(30_000),
};
type TopologyConfig = z.output<z.ZodObject<typeof topologyShape>>;

export const topologySizes = (config: TopologyConfig): TopologySizes => ({
  ...defaultSizes,
  replicas: config.REVEILLE_JETSTREAM_REPLICAS,
  pools: config.REVEILLE_RUNNER_POOLS,
  runnerLeaseTtlMs: config.REVEILLE_RUNNER_LEASE_TTL_MS,
  mailboxBytesMax: config.REVEILLE_MAILBOX_MAX_BYTES ?? defaultSizes.mailboxBytesMax,
  execBytesMax: config.REVEILLE_EXEC_MAX_BYTES ?? defaultSizes.execBytesMax,
  logsBytesMax: config.REVEILLE_LOGS_MAX_BYTES ?? defaultSizes.logsBytesMax,
});

interface NatsIdentity {
  url: string;
  credsFile: string | undefined;
  nkeyFile: string | undefined;
}

/** The keeper's own connection; null when it is the service's. */
export function keeperIdentity(config: TopologyConfig & { NATS_URL: string }): NatsIdentity | null {
  const url = config.REVEILLE_KEEPER_NATS_URL;
  const credsFile = config.REVEILLE_KEEPER_NATS_CREDS_FILE;
  const nkeyFile = config.REVEILLE_KEEPER_NATS_NKEY_FILE;
  if (!url && !credsFile && !nkeyFile) return null;
  return { url: url ?? config.NATS_URL, credsFile, nkeyFile };
}
