/**
 * Says aloud that the mailbox stream was lost or rolled back: what JetStream alone had acknowledged and
 * nobody had decided is gone (G10). One event a company, and the log of this host.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { EventFrame } from "@reveille/shared/protocol/events";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";

export interface GapContext {
  pool: Sql;
  bus: Bus;
  clock: Clock;
  subjects: Subjects;
  logger: Logger;
}
export interface Gap {
  /** The generation that begins. */
  generation: number;
  why: "stream missing" | "sentinel gone";
  /** Where it was noticed, and the last sequence that is known to be applied there. */
  partition?: number;
  appliedSeq?: number;
}

/** Companies that are told; the log and the generation in the metrics tell the rest. */
const companiesMax = 10_000;

/** Tells everybody. @throws RuntimeError `StoreUnavailable`. */
export async function announceGap(context: GapContext, gap: Gap): Promise<void> {
  const { pool, bus, clock, subjects, logger } = context;
  logger.error(
    { ...gap },
    "the mailbox stream was replaced or rolled back: undecided wakes may be lost",
  );
  bus.publish(subjects.generation, Buffer.from(String(gap.generation)));
  const found = await guarded("companies", () =>
    pool.query<{ id: string }>({
      name: "all_companies",
      text: "select id from companies order by id limit $1",
      values: [companiesMax],
    }),
  );
  for (const { id } of found.rows) {
    const frame: EventFrame = {
      type: "mailbox.gap",
      companyId: id,
      createdAt: isoTime(clock.wallMs()),
      payload: { ...gap },
    };
    bus.publish(subjects.event(id, "mailbox.gap"), Buffer.from(JSON.stringify(frame)));
  }
}
