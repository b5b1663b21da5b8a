/** The configuration of an actor host, from the environment. */
import { z } from "zod";
import { keysShape, readKeys } from "@reveille/shared/credentials/keys";
import { commonShape, databaseShape, integer, readConfig } from "@reveille/shared/runtime/config";
import { failpointPattern } from "@reveille/shared/runtime/failpoint";

const shape = {
  ...commonShape,
  ...databaseShape,
  ...keysShape,
  /**
   * The identity of the topology keeper, which alone makes streams, consumers and buckets: a second connection. Any of the three
   * makes one; what is not given is the service's own. None: the service's own connection does it.
   */
  REVEILLE_KEEPER_NATS_URL: z.string().optional(),
  REVEILLE_KEEPER_NATS_CREDS_FILE: z.string().optional(),
  REVEILLE_KEEPER_NATS_NKEY_FILE: z.string().optional(),
  /** Lease of this host: how long its partitions stand still after a kill -9. Larger: slower takeover, calmer under load. */
  REVEILLE_HOST_LEASE_TTL_MS: integer(500, 60_000).default(3_000),
  /** Messages in one batch: larger batches cost latency under load, smaller ones cost statements. */
  REVEILLE_BATCH_MAX: integer(1, 2_000).default(200),
  /** Batches under way at once. Two keep Postgres busy while the next is decided. */
  REVEILLE_BATCHES_IN_FLIGHT: integer(1, 8).default(2),
  /** Agents kept in memory at most. */
  REVEILLE_RESIDENT_MAX: integer(1, 1_000_000).default(20_000),
  /** An agent that was not used for so long leaves memory. */
  REVEILLE_RESIDENT_IDLE_MS: integer(100, 3_600_000).default(60_000),
  REVEILLE_DATABASE_POOL: integer(3, 50).default(8),
  /** How long SIGTERM waits for batches in flight. */
  REVEILLE_DRAIN_MS: integer(0, 600_000).default(10_000),
  /** Replicas of streams and buckets: 1 on one server, 3 on a cluster. */
  REVEILLE_JETSTREAM_REPLICAS: integer(1, 5).default(1),
  /** Above 80 % of it gateways take no more wakes; full, it refuses everything. */
  REVEILLE_MAILBOX_MAX_BYTES: integer(1_000_000, Number.MAX_SAFE_INTEGER).optional(),
  REVEILLE_EXEC_MAX_BYTES: integer(1_000_000, Number.MAX_SAFE_INTEGER).optional(),
  REVEILLE_LOGS_MAX_BYTES: integer(1_000_000, Number.MAX_SAFE_INTEGER).optional(),
  REVEILLE_RUNNER_LEASE_TTL_MS: integer(1_000, 600_000).default(30_000),
  /** For tests alone: where this process ends as if by kill -9, for example `after-commit:3`. */
  REVEILLE_FAILPOINT: z
    .string()
    .regex(
      failpointPattern,
      "must be a place and a number, for example after-commit:3 or after-commit:3:freeze",
    )
    .optional(),
};

/** @throws ConfigError naming each bad variable. */
export function readActorConfig(env?: Record<string, string | undefined>) {
  const config = readConfig(shape, env);
  return { ...config, keys: readKeys(config) };
}
export type ActorConfig = ReturnType<typeof readActorConfig>;
