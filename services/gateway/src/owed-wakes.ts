/**
 * The wakes that follow from what the gateway wrote (an assignment, a comment). They commit with
 * their cause and are published after it, by this gateway at once or by any gateway later; their
 * ids come from cause and agent, so publishing twice is one wake. A row goes when its verdict is
 * there.
 */
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { Pool } from "@reveille/shared/postgres/pool";
import { owedWakes } from "@reveille/shared/postgres/schema";
import type { Queryable } from "@reveille/shared/postgres/sql";
import { encodePayload } from "@reveille/shared/protocol/codec";
import { deriveId } from "@reveille/shared/protocol/ids";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { WakeRequest } from "@reveille/shared/protocol/wake";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { Logger } from "@reveille/shared/runtime/log";
import { currentTrace, traced } from "./current-trace.js";

export interface OwedWake {
  companyId: string;
  agentId: string;
  wakeId: string;
  request: Record<string, unknown>;
  /** The trace of its cause. Absent or null: none. */
  traceparent?: string | null;
}
export interface OwedWakes {
  /** Writes rows on the caller's transaction. */
  owe(on: Queryable, wakes: readonly OwedWake[]): Promise<void>;
  /** After the commit: publishes without waiting. What fails is published by the sweep. */
  publish(wakes: readonly OwedWake[]): void;
  /** One look at what is owed: deletes what was decided, publishes the rest again. */
  sweep(): Promise<void>;
  stop(): Promise<void>;
}

/** The wake that `cause` owes to an agent; `cause` names one event for ever, such as a comment's id. */
export function owedWake(
  companyId: string,
  agentId: string,
  cause: readonly string[],
  request: WakeRequest,
): OwedWake {
  const wakeId = deriveId("owed-wake", companyId, agentId, ...cause);
  return { companyId, agentId, wakeId, request: { ...request, id: wakeId } };
}

/** How often a gateway looks, and how old a row is when somebody else's gateway takes care of it. */
const sweepMs = 5_000;
/** Rows of one look; more wait for the next. */
const sweepMax = 500;
/** A wake that JetStream has will be decided: it is published again only for the case of a wiped stream. */
const againMs = 60_000;
const againMsMax = 600_000;

export function createOwedWakes(
  pool: Pool,
  publisher: StoredPublisher,
  subjects: Subjects,
  failpoint: Failpoint,
  logger: Logger,
): OwedWakes {
  /** When each row may be published again; holds rows owed at the last look, and the newest. */
  const next = new Map<string, { at: number; waitMs: number }>();
  let running: Promise<void> | null = null;

  const publishOne = async (wake: OwedWake): Promise<void> => {
    const before = next.get(wake.wakeId);
    const waitMs = before ? Math.min(before.waitMs * 2, againMsMax) : againMs;
    next.set(wake.wakeId, { at: performance.now() + waitMs, waitMs });
    try {
      await publisher.publish(
        subjects.mailbox(wake.companyId, wake.agentId, "request"),
        encodePayload(wake.request),
        traced(wake.traceparent ?? null),
      );
    } catch (error) {
      next.delete(wake.wakeId);
      logger.warn({ err: error, wakeId: wake.wakeId }, "an owed wake is not published yet");
    }
  };
  const sweep = async (): Promise<void> => {
    await pool.query(
      `delete from owed_wakes o using wake_verdicts v
       where v.agent_id = o.agent_id and v.wake_id = o.wake_id`,
    );
    const owed = await pool.query<OwedWake>(
      `select company_id as "companyId", agent_id as "agentId", wake_id as "wakeId", request, traceparent
       from owed_wakes where created_at < now() - $1 * interval '1 millisecond'
       order by created_at limit $2`,
      [sweepMs, sweepMax],
    );
    const now = performance.now();
    const owing = new Set(owed.rows.map(({ wakeId }) => wakeId));
    for (const [wakeId, { at, waitMs }] of next)
      // What was published a moment ago is not among the rows yet.
      if (!owing.has(wakeId) && now - (at - waitMs) > 2 * sweepMs) next.delete(wakeId);
    const due = owed.rows.filter(({ wakeId }) => (next.get(wakeId)?.at ?? 0) <= now);
    await Promise.all(due.map(publishOne));
  };
  const sweepOnce = (): Promise<void> =>
    (running ??= sweep()
      .catch((error: unknown) => logger.warn({ err: error }, "cannot see what wakes are owed"))
      .finally(() => {
        running = null;
      }));
  const timer = setInterval(() => void sweepOnce(), sweepMs);

  return {
    owe: async (on, wakes) => {
      if (wakes.length === 0) return;
      await on
        .insert(owedWakes)
        .values(wakes.map((wake) => ({ ...wake, traceparent: currentTrace() })))
        .onConflictDoNothing();
    },
    publish: (wakes) => {
      if (wakes.length > 0) failpoint("before-owed");
      const traceparent = currentTrace();
      for (const wake of wakes) void publishOne({ ...wake, traceparent });
    },
    sweep: sweepOnce,
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
