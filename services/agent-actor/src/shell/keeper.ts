/**
 * The topology keeper: one actor host at a time, elected by a row, keeps streams, buckets and the
 * transform as they must be, also in the middle of the day after a wipe. When the mailbox stream is
 * missing although a host has worked before, it was lost, and the next one is a new generation. That it
 * had been read is not asked: what it held may have been acknowledged and never seen by any host.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Bus } from "@reveille/shared/nats/bus";
import type { Streams } from "@reveille/shared/nats/streams";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { TopologySizes } from "@reveille/shared/protocol/topology";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { announceGap } from "./gap.js";
import { raiseGeneration } from "./partition-rows.js";

export interface KeeperContext {
  pool: Sql;
  bus: Bus;
  /** As the keeper's own identity, which may make what they need. */
  streams: Streams;
  /** The connection behind `streams`. */
  link: Pick<Bus, "connected">;
  clock: Clock;
  subjects: Subjects;
  sizes: TopologySizes;
  /** The loss of the stream that is missing now was announced: once is enough, however long making it anew takes. */
  loss: { announced: boolean };
  hostId: string;
  logger: Logger;
}

/** 10 s: a keeper that dies is replaced within it; topology is not in the path of a wake. */
const keeperTtlMs = 10_000;

/** Looks once, if this host is (or becomes) the keeper. @throws RuntimeError of Postgres or NATS. */
export async function keepTopology(context: KeeperContext): Promise<void> {
  // Who cannot reach the streams does not stay elected to keep them.
  if (!context.bus.connected || !context.link.connected) return;
  const elected = await guarded("keeper election", () =>
    context.pool.query<{ generation: number; partition_count: number; owned_before: boolean }>({
      name: "keeper_election",
      text: `update mailbox_state set keeper = $1, keeper_until = clock_timestamp() + $2 * interval '1 millisecond'
        where id = 1 and (keeper = $1 or keeper is null or keeper_until < clock_timestamp())
        returning generation, partition_count, exists (select 1 from partitions where epoch > 0) as owned_before`,
      values: [context.hostId, keeperTtlMs],
    }),
  );
  const state = elected.rows[0];
  if (!state) return;
  let { generation } = state;
  const mailbox = topologyNames(context.subjects.prefix).mailbox;
  const missing = state.owned_before && (await context.streams.facts(mailbox)) === null;
  if (!missing) context.loss.announced = false;
  else if (!context.loss.announced) {
    const raised = await raiseGeneration(context.pool, generation);
    generation = raised.generation;
    context.loss.announced = true;
    if (raised.raised) await announceGap(context, { generation, why: "stream missing" });
  }
  const changes = await context.streams.ensureTopology(
    context.subjects,
    generation,
    state.partition_count,
    context.sizes,
  );
  for (const { name, change } of changes)
    if (change !== "none") context.logger.info({ name, change, generation }, "topology kept");
}
