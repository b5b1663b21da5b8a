/** The configuration of an actor host, from the environment. */
import { z } from "zod";
import { keysShape, readKeys } from "@reveille/shared/credentials/keys";
import { commonShape, databaseShape, integer, readConfig } from "@reveille/shared/runtime/config";
import { failpointPattern } from "@reveille/shared/runtime/failpoint";
import { topologyShape } from "@reveille/shared/runtime/topology-config";

/** Each variable, as it is checked. */
export const actorShape = {
  ...commonShape,
  ...databaseShape,
  ...keysShape,
  ...topologyShape,
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
  const config = readConfig(actorShape, env);
  return { ...config, keys: readKeys(config) };
}
export type ActorConfig = ReturnType<typeof readActorConfig>;
