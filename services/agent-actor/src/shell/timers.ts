/**
 * Timers of the owned partitions: an agent's own, and the one of its earliest delayed run. Postgres knows
 * when each is due (indexed by partition); a window of it is in memory, so sleeping agents cost nothing
 * here. A due timer is a message to its agent's mailbox: it is decided like everything else, and a repeat
 * of it is stale.
 */
import { encodePayload } from "@reveille/shared/protocol/codec";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";

export interface TimerSetting {
  companyId: string;
  agentId: string;
  timer: "heartbeat" | "retry";
  /** Null: none. */
  dueAtMs: number | null;
}
export interface Timers {
  set(timer: TimerSetting): void;
  /** Reads what is due soon in these partitions, and forgets those of all others. @throws RuntimeError `StoreUnavailable`. */
  refresh(partitions: readonly number[]): Promise<void>;
  /** Reads what is due soon in a partition that was just taken over. @throws RuntimeError `StoreUnavailable`. */
  adopt(partition: number): Promise<void>;
  stop(): void;
}
export interface TimersContext {
  pool: Sql;
  clock: Clock;
  /** What time it is for a timer: the database's, in which due times are compared everywhere else. Default: the clock's. */
  nowMs?: () => number;
  publisher: StoredPublisher;
  subjects: Subjects;
  logger: Logger;
  /** Timers fire only while this host trusts its lease; whoever follows fires the rest. */
  trusted: () => boolean;
}

/** What is due within 30 s is in memory; `refresh` comes every 10 s. */
const windowMs = 30_000;
/** Timers read at once. More that are due wait for the next refresh, earliest first. */
const readMax = 10_000;
/** A timer that was published and not decided is published again after this. */
const repeatMs = 30_000;
const tickMs = 50;

interface SetTimer extends TimerSetting {
  dueAtMs: number;
}
interface Due extends SetTimer {
  publishedAt: number | null;
}

const keyOf = ({ agentId, timer }: TimerSetting): string => `${agentId} ${timer}`;

export function createTimers(context: TimersContext): Timers {
  const due = new Map<string, Due>();
  const nowMs = context.nowMs ?? (() => context.clock.wallMs());
  const fire = (due: Due): void => {
    due.publishedAt = nowMs();
    const { companyId, agentId, timer, dueAtMs } = due;
    const name = timer === "heartbeat" ? "timer" : timer;
    const body = encodePayload({ id: `${name}:${agentId}:${dueAtMs}`, dueAtMs, timer });
    context.publisher
      .publish(context.subjects.mailbox(companyId, agentId, "timer"), body)
      .catch((error: unknown) => {
        due.publishedAt = null;
        context.logger.warn({ err: error, agentId }, "a timer is published again later");
      });
  };
  /** What was published for the same moment counts as published still. */
  const keep = (setting: SetTimer, known: ReadonlyMap<string, Due>): void => {
    const before = known.get(keyOf(setting));
    const same = before?.dueAtMs === setting.dueAtMs;
    due.set(keyOf(setting), same ? before : { ...setting, publishedAt: null });
  };
  const tick = context.clock.every(tickMs, () => {
    if (due.size === 0 || !context.trusted()) return;
    const now = nowMs();
    for (const timer of due.values())
      if (
        timer.dueAtMs <= now &&
        (timer.publishedAt === null || timer.publishedAt + repeatMs < now)
      )
        fire(timer);
  });

  return {
    set: (setting) => {
      const { dueAtMs } = setting;
      if (dueAtMs === null || dueAtMs > nowMs() + windowMs) due.delete(keyOf(setting));
      else due.set(keyOf(setting), { ...setting, dueAtMs, publishedAt: null });
    },
    refresh: async (partitions) => {
      const found = await dueSoon(context.pool, partitions);
      const known = new Map(due);
      due.clear();
      for (const setting of found) keep(setting, known);
    },
    adopt: async (partition) => {
      for (const setting of await dueSoon(context.pool, [partition])) keep(setting, due);
    },
    stop: () => tick.cancel(),
  };
}

const dueStatement = {
  name: "due_timers",
  text: `(select id, company_id, 'heartbeat' as timer, next_timer_at as due_at from agents
      where partition = any($1::int[]) and next_timer_at < now() + $2 * interval '1 millisecond'
        and deleted_at is null order by next_timer_at limit $3)
    union all (select id, company_id, 'retry', next_retry_at from agents
      where partition = any($1::int[]) and next_retry_at < now() + $2 * interval '1 millisecond'
        and deleted_at is null order by next_retry_at limit $3)`,
};

async function dueSoon(pool: Sql, partitions: readonly number[]): Promise<SetTimer[]> {
  const found = await guarded("read timers", () =>
    pool.query<{ id: string; company_id: string; timer: "heartbeat" | "retry"; due_at: Date }>({
      ...dueStatement,
      values: [partitions, windowMs, readMax],
    }),
  );
  return found.rows.map(({ id: agentId, company_id: companyId, timer, due_at }) => ({
    companyId,
    agentId,
    timer,
    dueAtMs: due_at.getTime(),
  }));
}
