/**
 * Interval timers of the owned partitions. Postgres knows when each is due (indexed by partition); a
 * window of it is in memory, so sleeping agents cost nothing here. A due timer is a message to its
 * agent's mailbox: it is decided like everything else, and a repeat of it is stale.
 */
import { encodePayload } from "@reveille/shared/protocol/codec";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import { guarded } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";
import type { Logger } from "@reveille/shared/runtime/log";

export interface Timers {
  set(companyId: string, agentId: string, dueAtMs: number | null): void;
  /** Reads what is due soon in these partitions. */
  refresh(partitions: readonly number[]): Promise<void>;
  stop(): void;
}
export interface TimersContext {
  pool: Pool;
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

interface Due {
  companyId: string;
  dueAtMs: number;
  publishedAt: number | null;
}

export function createTimers(context: TimersContext): Timers {
  const due = new Map<string, Due>();
  const fire = (agentId: string, timer: Due): void => {
    timer.publishedAt = Date.now();
    const body = encodePayload({ id: `timer:${agentId}:${timer.dueAtMs}`, dueAtMs: timer.dueAtMs });
    context.publisher
      .publish(context.subjects.mailbox(timer.companyId, agentId, "timer"), body)
      .catch((error: unknown) => {
        timer.publishedAt = null;
        context.logger.warn({ err: error, agentId }, "a timer is published again later");
      });
  };
  const tick = setInterval(() => {
    if (due.size === 0 || !context.trusted()) return;
    const now = Date.now();
    for (const [agentId, timer] of due)
      if (
        timer.dueAtMs <= now &&
        (timer.publishedAt === null || timer.publishedAt + repeatMs < now)
      )
        fire(agentId, timer);
  }, tickMs);

  return {
    set: (companyId, agentId, dueAtMs) => {
      if (dueAtMs === null || dueAtMs > Date.now() + windowMs) due.delete(agentId);
      else due.set(agentId, { companyId, dueAtMs, publishedAt: null });
    },
    refresh: async (partitions) => {
      const found = await guarded("read timers", () =>
        context.pool.query<{ id: string; company_id: string; next_timer_at: Date }>({
          name: "due_timers",
          text: `select id, company_id, next_timer_at from agents where partition = any($1::int[])
            and next_timer_at < now() + $2 * interval '1 millisecond' order by next_timer_at limit $3`,
          values: [partitions, windowMs, readMax],
        }),
      );
      const known = new Map(due);
      due.clear();
      for (const row of found.rows) {
        const dueAtMs = row.next_timer_at.getTime();
        const before = known.get(row.id);
        due.set(
          row.id,
          before?.dueAtMs === dueAtMs
            ? before
            : { companyId: row.company_id, dueAtMs, publishedAt: null },
        );
      }
    },
    stop: () => clearInterval(tick),
  };
}
