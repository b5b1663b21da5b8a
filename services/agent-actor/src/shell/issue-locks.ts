/**
 * The issue locks in their KV bucket: compare-and-set around the pure rules of `core/lock.ts`. Postgres
 * is the last word on whether a holder lives; the bucket may be wiped or rolled back at any time.
 */
import type { Bucket } from "@reveille/shared/nats/bucket";
import { brokerUnavailable } from "@reveille/shared/errors";
import { guarded } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";
import { acquire, assertHolder, lockSchema, release } from "../core/lock.js";
import type { LockEntry, LockValue } from "../core/lock.js";
import type { LockOutcome } from "../core/delivery.js";

export interface IssueLocks {
  /** Takes the lock or a place in its queue. `replaced` is a waiter that was made holder on the way and must be told. */
  acquire(
    issueId: string,
    entry: LockEntry,
  ): Promise<{ outcome: LockOutcome; replaced: LockEntry | null }>;
  /** Queues without taking: Postgres has shown that another run holds the issue. */
  wait(issueId: string, entry: LockEntry): Promise<LockOutcome>;
  /** Passes the lock on; returns who has to be told. */
  release(companyId: string, issueId: string, runId: string): Promise<LockEntry | null>;
  /** Makes the bucket say what Postgres says: this run holds the issue. */
  assertHolder(issueId: string, entry: LockEntry): Promise<void>;
  read(companyId: string, issueId: string): Promise<LockValue | null>;
}

/** 50 tries: each lost one means that somebody else succeeded; more than 50 in a row is no contention but a fault. */
const triesMax = 50;
const keyOf = (companyId: string, issueId: string): string => `${companyId}.${issueId}`;
const encode = (value: LockValue): Uint8Array => Buffer.from(JSON.stringify(value));

export function createIssueLocks(bucket: Bucket, pool: Pool): IssueLocks {
  const read = async (key: string): Promise<{ value: LockValue | null; revision: number }> => {
    const entry = await bucket.get(key);
    if (!entry) return { value: null, revision: 0 };
    const parsed = lockSchema.safeParse(parseJson(entry.value));
    // An unreadable value protects nobody; Postgres does. It is replaced at its revision.
    return { value: parsed.success ? parsed.data : null, revision: entry.revision };
  };
  const write = (key: string, value: LockValue, revision: number): Promise<number | null> =>
    revision === 0
      ? bucket.create(key, encode(value))
      : bucket.update(key, encode(value), revision);
  const repeat = async <T>(key: string, step: () => Promise<T | undefined>): Promise<T> => {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const done = await step();
      if (done !== undefined) return done;
    }
    throw brokerUnavailable(`the lock ${key} changed ${triesMax} times while it was asked for`);
  };

  const take = (issueId: string, entry: LockEntry, knownAlive: boolean | undefined) => {
    const key = keyOf(entry.companyId, issueId);
    return repeat(key, async () => {
      const { value, revision } = await read(key);
      let result = acquire(value, entry, value === null ? undefined : knownAlive);
      if (result.outcome === "contended")
        result = acquire(value, entry, await isAlive(pool, issueId, result.holder));
      if (result.outcome === "contended") return undefined;
      if (result.outcome === "full") return { outcome: "full" as const, replaced: null };
      if (result.write && (await write(key, result.write, revision)) === null) return undefined;
      const holder = result.write?.holder;
      const changed = value !== null && holder !== undefined && holder.runId !== value.holder.runId;
      return {
        outcome: result.outcome,
        replaced: changed && holder.runId !== entry.runId ? holder : null,
      };
    });
  };

  return {
    acquire: (issueId, entry) => take(issueId, entry, undefined),
    wait: async (issueId, entry) => {
      const key = keyOf(entry.companyId, issueId);
      return repeat(key, async () => {
        const { value, revision } = await read(key);
        if (value?.holder.runId === entry.runId) {
          // The bucket is wrong about us: the real holder is put in our place by its own reconcile.
          return (await bucket.remove(key, revision)) ? ("waiting" as const) : undefined;
        }
        if (value === null) return "waiting" as const;
        const result = acquire(value, entry, true);
        if (result.outcome === "full") return "full" as const;
        if (
          result.outcome === "waiting" &&
          result.write &&
          (await write(key, result.write, revision)) === null
        )
          return undefined;
        return "waiting" as const;
      });
    },
    release: (companyId, issueId, runId) => {
      const key = keyOf(companyId, issueId);
      return repeat<{ granted: LockEntry | null }>(key, async () => {
        const { value, revision } = await read(key);
        const result = release(value, runId);
        if (result.write === null && !(await bucket.remove(key, revision))) return undefined;
        if (result.write && (await write(key, result.write, revision)) === null) return undefined;
        return { granted: result.granted };
      }).then(({ granted }) => granted);
    },
    assertHolder: async (issueId, entry) => {
      const key = keyOf(entry.companyId, issueId);
      await repeat(key, async () => {
        const { value, revision } = await read(key);
        const changed = assertHolder(value, entry);
        return changed === null || (await write(key, changed, revision)) !== null
          ? true
          : undefined;
      });
    },
    read: async (companyId, issueId) => (await read(keyOf(companyId, issueId))).value,
  };
}

/**
 * A holder is alive if Postgres shows its run as holding this issue, or its run or wake as waiting for
 * it (granted, not yet decided), or if its partition has not yet committed the message that asked.
 */
export async function isAlive(pool: Pool, issueId: string, holder: LockEntry): Promise<boolean> {
  const found = await guarded("holder check", () =>
    pool.query<{ alive: boolean }>({
      name: "lock_holder_alive",
      text: `select exists (select 1 from heartbeat_runs where id = $1 and issue_id = $2 and (holds_issue or phase = 'waiting'))
        or exists (select 1 from agent_wakeup_requests where id = $3 and issue_id = $2 and waits)
        or exists (select 1 from partitions where partition = $4
             and (generation < $5 or (generation = $5 and cursor_seq < $6))) as alive`,
      values: [
        holder.runId,
        issueId,
        holder.requestId,
        holder.partition,
        holder.generation,
        holder.sequence,
      ],
    }),
  );
  return found.rows[0]?.alive ?? false;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return null;
  }
}
