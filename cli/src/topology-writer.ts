/**
 * Makes streams, buckets and consumers before there is an actor host: for installations in which something else looks at them first,
 * such as an autoscaler. Follows the hosts' own rules: whoever is elected keeps the topology, and nobody else touches streams.
 */
import { randomUUID } from "node:crypto";
import { connectBus } from "@reveille/shared/nats/bus";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { streamFacts } from "@reveille/shared/nats/stream-facts";
import { ensureTopology } from "@reveille/shared/nats/topology-keeper";
import type { TopologyChange } from "@reveille/shared/nats/topology-keeper";
import { ensurePoolConsumer } from "@reveille/shared/nats/work-queue";
import { checkSchema } from "@reveille/shared/postgres/migrate";
import { createPool } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";
import { inboxPrefixes } from "@reveille/shared/protocol/inboxes";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import {
  ConfigError,
  commonShape,
  databaseShape,
  readConfig,
} from "@reveille/shared/runtime/config";
import {
  keeperIdentity,
  topologyShape,
  topologySizes,
} from "@reveille/shared/runtime/topology-config";
import { CliFailure, exitCodes, unreachable, usageFailure } from "./failure.js";

/** What `topology apply` reads: the same words as an actor host. */
export const topologyCommandShape = { ...commonShape, ...databaseShape, ...topologyShape };

export type TopologyApplied =
  | { kept: "here"; generation: number; changes: TopologyChange[]; pools: readonly string[] }
  /** A host keeps streams and buckets; the pools' consumers were made here all the same. */
  | { kept: "host"; keeper: string; pools: readonly string[] };

/** As long as an actor host's election: whoever dies here is replaced by then. */
const keeperTtlMs = 10_000;

/**
 * Makes everything that is missing, once. Safe to repeat, and beside actor hosts.
 * @throws CliFailure: the environment is not right, a server is away, or the mailbox stream was lost (a host has to raise the generation).
 */
export async function applyTopology(
  env: Readonly<Record<string, string | undefined>>,
): Promise<TopologyApplied> {
  const config = readEnvironment(env);
  const identity = keeperIdentity(config) ?? {
    url: config.NATS_URL,
    credsFile: config.NATS_CREDS_FILE,
    nkeyFile: config.NATS_NKEY_FILE,
  };
  const pool = createPool({ url: config.DATABASE_URL, name: "reveille-topology", size: 1 });
  let bus: NatsBus | undefined;
  try {
    await checkSchema(pool);
    const options = { name: "reveille-topology", inboxPrefix: inboxPrefixes.keeper };
    bus = await connectBus({ ...identity, ...options });
    return await asKeeper(pool, bus, config);
  } catch (error) {
    if (error instanceof CliFailure) throw error;
    throw unreachable((error as Error).message, undefined, error);
  } finally {
    await bus?.close();
    await pool.end();
  }
}

function readEnvironment(env: Readonly<Record<string, string | undefined>>) {
  try {
    return readConfig(topologyCommandShape, env);
  } catch (error) {
    if (error instanceof ConfigError) throw usageFailure(error.message);
    throw error;
  }
}

async function asKeeper(
  pool: Pool,
  bus: NatsBus,
  config: ReturnType<typeof readEnvironment>,
): Promise<TopologyApplied> {
  const subjects = createSubjects(config.REVEILLE_SUBJECT_PREFIX);
  const sizes = topologySizes(config);
  const me = randomUUID();
  const elected = await elect(pool, me);
  if (!elected) {
    for (const name of sizes.pools) await ensurePoolConsumer(bus, subjects, name);
    const { rows } = await pool.query<{ keeper: string }>(
      "select keeper::text as keeper from mailbox_state where id = 1",
    );
    return { kept: "host", keeper: rows[0]?.keeper ?? "", pools: sizes.pools };
  }
  try {
    const { generation, partition_count: partitions } = elected;
    const { mailbox } = topologyNames(subjects.prefix);
    // Made anew with the old generation, sequence numbers would begin again below the cursors, and wakes would be skipped.
    if (elected.owned_before && (await streamFacts(bus, mailbox)) === null)
      throw new CliFailure(
        exitCodes.failed,
        `the stream ${mailbox} was there and is not any more: an actor host has to make it, in a new generation`,
        "Start agent-actor; it does so within seconds. Then repeat this command.",
      );
    const changes = await ensureTopology(bus, subjects, generation, partitions, sizes);
    return { kept: "here", generation, changes, pools: sizes.pools };
  } finally {
    await pool.query(
      "update mailbox_state set keeper = null, keeper_until = null where id = 1 and keeper = $1",
      [me],
    );
  }
}

interface Elected {
  generation: number;
  partition_count: number;
  owned_before: boolean;
}

/** The election of actor hosts (`agent-actor/src/shell/keeper.ts`), held once; undefined: a host keeps the topology. */
async function elect(pool: Pool, me: string): Promise<Elected | undefined> {
  const { rows } = await pool.query<Elected>(
    `update mailbox_state set keeper = $1, keeper_until = clock_timestamp() + $2 * interval '1 millisecond'
     where id = 1 and (keeper is null or keeper_until < clock_timestamp())
     returning generation, partition_count, exists (select 1 from partitions where epoch > 0) as owned_before`,
    [me, keeperTtlMs],
  );
  return rows[0];
}
