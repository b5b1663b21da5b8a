/**
 * The wakes that this gateway put into mailboxes and has seen no verdict of. JetStream alone has them: when
 * its store is lost, nobody else knows that they existed. So they are remembered until their verdict is
 * there, and when a new generation of the mailbox stream begins, those without one are listed and put in
 * again. Harmless to repeat: a wake is decided once by its id, whatever the stream brings twice.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { EventFrame } from "@reveille/shared/protocol/events";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import { traced } from "./current-trace.js";

/** A wake as it was published. */
export interface SentWake {
  companyId: string;
  agentId: string;
  wakeId: string;
  payload: Uint8Array;
  /** Its trace; null: none. */
  traceparent: string | null;
}
export interface UndecidedWakes {
  /** It is on its way to JetStream. One that does not fit the bound is not remembered, and counted. */
  sent(wake: SentWake): void;
  /** Its verdict is there, or it is known not to be stored. */
  settled(agentId: string, wakeId: string): void;
  /** Looks once: forgets what is decided, and after a new generation sends the rest again. */
  look(): Promise<void>;
  readonly count: number;
  /** Put in again because of new generations, since the start. */
  readonly sentAgain: number;
  /** Not remembered because too many were undecided, since the start. */
  readonly untracked: number;
  stop(): Promise<void>;
}
export interface UndecidedWakesContext {
  bus: Bus;
  publisher: StoredPublisher;
  subjects: Subjects;
  pool: Sql;
  clock: Clock;
  logger: Logger;
}

/** So many at once, and so many bytes of them: what waits while no actor host lives for some minutes. */
const wakesMax = 20_000;
const bytesMax = 64 * 1024 * 1024;
/** How often it looks, while there is something to look for. */
const lookEveryMs = 2_000;
/** Younger ones are on their way. */
const youngMs = 1_000;
/** Ids in one statement. */
const askedMax = 2_000;
/** Ids that an event lists; the log has as many, the metric the number. */
const listedMax = 100;

interface Entry extends SentWake {
  sentAtMs: number;
  generation: number;
}

const statement = {
  name: "undecided_wakes",
  text: `select m.generation, (
      select json_agg(json_build_array(v.agent_id, v.wake_id)) from unnest($1::uuid[], $2::text[]) as asked(agent_id, wake_id)
      join wake_verdicts v on v.agent_id = asked.agent_id and v.wake_id = asked.wake_id) as decided
    from mailbox_state m where m.id = 1`,
};

const keyOf = (agentId: string, wakeId: string): string => `${agentId} ${wakeId}`;

export function createUndecidedWakes(context: UndecidedWakesContext): UndecidedWakes {
  const { pool, clock, logger } = context;
  // In the order of sending: the oldest are asked about first.
  const entries = new Map<string, Entry>();
  let bytes = 0;
  let untracked = 0;
  let sentAgain = 0;
  /** As last seen; 0: not yet. What was sent before the first look belongs to the generation that is found then. */
  let generation = 0;
  let looking: Promise<void> | null = null;

  const forget = (key: string): void => {
    const entry = entries.get(key);
    if (entry && entries.delete(key)) bytes -= entry.payload.length;
  };
  const look = async (): Promise<void> => {
    const oldest = [...entries.values()]
      .filter(({ sentAtMs }) => sentAtMs + youngMs <= clock.monotonicMs())
      .slice(0, askedMax);
    const found = await pool.query<{ generation: number; decided: [string, string][] | null }>({
      ...statement,
      values: [oldest.map(({ agentId }) => agentId), oldest.map(({ wakeId }) => wakeId)],
    });
    const row = found.rows[0]!;
    for (const [agentId, wakeId] of row.decided ?? []) forget(keyOf(agentId, wakeId));
    if (generation === 0) for (const entry of entries.values()) entry.generation ||= row.generation;
    generation = row.generation;
    const lost = oldest.filter(
      (entry) =>
        entries.has(keyOf(entry.agentId, entry.wakeId)) && entry.generation < row.generation,
    );
    if (lost.length > 0) await sendAgain(context, lost, row.generation);
    sentAgain += lost.length;
  };
  const lookOnce = (): Promise<void> =>
    (looking ??= look()
      .catch((error: unknown) => logger.warn({ err: error }, "cannot see what is undecided yet"))
      .finally(() => {
        looking = null;
      }));
  const timer = clock.every(lookEveryMs, () => {
    if (entries.size > 0 || generation === 0) void lookOnce();
  });

  return {
    sent: (wake) => {
      const key = keyOf(wake.agentId, wake.wakeId);
      forget(key);
      if (entries.size >= wakesMax || bytes + wake.payload.length > bytesMax) untracked += 1;
      else {
        entries.set(key, { ...wake, sentAtMs: clock.monotonicMs(), generation });
        bytes += wake.payload.length;
      }
    },
    settled: (agentId, wakeId) => forget(keyOf(agentId, wakeId)),
    look: lookOnce,
    get count() {
      return entries.size;
    },
    get sentAgain() {
      return sentAgain;
    },
    get untracked() {
      return untracked;
    },
    stop: async () => {
      timer.cancel();
      await looking;
    },
  };
}

/** Lists them, by company, and puts them into the new stream. What cannot be stored now is tried at the next look. */
async function sendAgain(
  { bus, publisher, subjects, clock, logger }: UndecidedWakesContext,
  lost: readonly Entry[],
  generation: number,
): Promise<void> {
  const byCompany = new Map<string, Entry[]>();
  for (const entry of lost)
    byCompany.set(entry.companyId, [...(byCompany.get(entry.companyId) ?? []), entry]);
  for (const [companyId, entries] of byCompany) {
    const wakeIds = entries.slice(0, listedMax).map(({ wakeId }) => wakeId);
    const payload = { generation, why: "wakes sent again", wakes: entries.length, wakeIds };
    logger.error({ companyId, ...payload }, "wakes without a verdict when the stream was lost");
    const createdAt = isoTime(clock.wallMs());
    const frame: EventFrame = { type: "mailbox.gap", companyId, createdAt, payload };
    bus.publish(subjects.event(companyId, "mailbox.gap"), Buffer.from(JSON.stringify(frame)));
  }
  await Promise.all(
    lost.map(async (entry) => {
      const subject = subjects.mailbox(entry.companyId, entry.agentId, "request");
      try {
        await publisher.publish(subject, entry.payload, traced(entry.traceparent));
        entry.generation = generation;
      } catch (error) {
        logger.warn({ err: error, wakeId: entry.wakeId }, "a lost wake is sent again later");
      }
    }),
  );
}
