/**
 * The issue locks in their KV bucket: compare-and-set around the pure rules of `core/lock.ts`. Postgres
 * is the last word on whether a holder lives; the bucket may be wiped or rolled back at any time.
 */
import type { Bucket } from "@reveille/shared/nats/bucket";
import { brokerUnavailable } from "@reveille/shared/errors";
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import { lockKey, lockSchema } from "@reveille/shared/protocol/issue-lock";
import { acquire, assertHolder, release } from "../core/lock.js";
import type { LockEntry, LockValue } from "../core/lock.js";
import type { Position } from "../core/state.js";
import type { LockOutcome } from "../core/delivery.js";

/** 50 tries: each lost one means that somebody else succeeded; more than 50 in a row is no contention but a fault. */
const triesMax = 50;
/** A value that is no lock: whoever reads it meanwhile takes the issue for free, and writes on its revision. */
const noLock = Buffer.from("{}");
const encode = (value: LockValue): Uint8Array => Buffer.from(JSON.stringify(value));

export class IssueLocks {
  readonly #bucket: Bucket;
  readonly #pool: Sql;
  constructor(bucket: Bucket, pool: Sql) {
    this.#bucket = bucket;
    this.#pool = pool;
  }

  /**
   * Takes the lock or a place in its queue. `replaced` is a waiter that was made holder on the way, in
   * place of a dead one, and must be told.
   */
  acquire(
    issueId: string,
    entry: LockEntry,
  ): Promise<{ outcome: LockOutcome; replaced: LockEntry | null }> {
    const key = lockKey(entry.companyId, issueId);
    return this.#repeat(key, async () => {
      const { value, revision } = await this.#read(key);
      let result = acquire(value, entry);
      if (result.outcome === "contended")
        result = acquire(value, entry, await isAlive(this.#pool, issueId, result.holder));
      if (result.outcome === "contended") return undefined;
      if (result.outcome === "full") return { outcome: "full" as const, replaced: null };
      if (result.write && (await this.#write(key, result.write, revision)) === null)
        return undefined;
      const holder = result.write?.holder;
      const changed = value !== null && holder !== undefined && holder.runId !== value.holder.runId;
      return {
        outcome: result.outcome,
        replaced: changed && holder.runId !== entry.runId ? holder : null,
      };
    });
  }

  /** The bucket was found wrong about who holds the issue: Postgres puts it right. Returns who has to be told. */
  async repair(issueId: string): Promise<LockEntry | null> {
    const holder = await holderOf(this.#pool, issueId);
    return holder && this.assertHolder(issueId, holder);
  }

  /** Passes the lock on, or leaves the queue; returns who has to be told. */
  async release(
    companyId: string,
    issueId: string,
    runId: string,
    notAfter: Position | null,
  ): Promise<LockEntry | null> {
    const key = lockKey(companyId, issueId);
    const { granted } = await this.#repeat(key, async () => {
      const { value, revision } = await this.#read(key);
      const result = release(value, runId, notAfter);
      if (result.write === null && !(await this.#bucket.remove(key, revision))) return undefined;
      if (result.write && (await this.#write(key, result.write, revision)) === null)
        return undefined;
      // Nothing was found to let go of. That is not believed of a read, which a follower may answer late.
      if (result.write === undefined && !(await this.#isLatest(key, value, revision)))
        return undefined;
      return result;
    });
    return granted;
  }

  /** Every lock that has a holder, as read one after the other. */
  async held(): Promise<{ issueId: string; holder: LockEntry }[]> {
    const found: { issueId: string; holder: LockEntry }[] = [];
    for (const key of await this.#bucket.keys()) {
      const issueId = key.split(".")[1];
      const { value } = await this.#read(key);
      if (value && issueId) found.push({ issueId, holder: value.holder });
    }
    return found;
  }

  /** Lets go for a holder that is dead, unless it has taken the lock anew meanwhile. Returns who has to be told. */
  async releaseDead(issueId: string, holder: LockEntry): Promise<LockEntry | null> {
    if (await isAlive(this.#pool, issueId, holder)) return null;
    return this.release(holder.companyId, issueId, holder.runId, holder);
  }

  /**
   * Makes the bucket say what Postgres says: this run holds the issue. Whoever calls this has looked at
   * Postgres some time ago, so it is asked again behind the revision: a release in between moves that.
   * And once more after the write, because a release that found nothing in a wiped bucket moves nothing:
   * what it could not take out is taken out here. Returns who holds the issue then and has to be told.
   */
  async assertHolder(issueId: string, entry: LockEntry): Promise<LockEntry | null> {
    const key = lockKey(entry.companyId, issueId);
    const holds = async (): Promise<boolean> =>
      (await holderOf(this.#pool, issueId))?.runId === entry.runId;
    const written = await this.#repeat(key, async () => {
      const { value, revision } = await this.#read(key);
      const changed = assertHolder(value, entry);
      if (changed === null || !(await holds())) return false;
      return (await this.#write(key, changed, revision)) === null ? undefined : true;
    });
    if (!written || (await holds())) return null;
    return this.release(entry.companyId, issueId, entry.runId, entry);
  }

  async #read(key: string): Promise<{ value: LockValue | null; revision: number }> {
    const entry = await this.#bucket.get(key);
    if (!entry) return { value: null, revision: 0 };
    const parsed = lockSchema.safeParse(parseJson(entry.value));
    // An unreadable value protects nobody; Postgres does. It is replaced at its revision.
    return { value: parsed.success ? parsed.data : null, revision: entry.revision };
  }

  /** A read may be late, a write on a revision never is: what was read is written again, what was not there is put there and removed. */
  async #isLatest(key: string, value: LockValue | null, revision: number): Promise<boolean> {
    if (value !== null) return (await this.#write(key, value, revision)) !== null;
    const put = await (revision === 0
      ? this.#bucket.create(key, noLock)
      : this.#bucket.update(key, noLock, revision));
    return put !== null && (await this.#bucket.remove(key, put));
  }

  #write(key: string, value: LockValue, revision: number): Promise<number | null> {
    return revision === 0
      ? this.#bucket.create(key, encode(value))
      : this.#bucket.update(key, encode(value), revision);
  }

  /** Until a step is not overtaken. @throws RuntimeError when it always is. */
  async #repeat<T>(key: string, step: () => Promise<T | undefined>): Promise<T> {
    for (let tries = 0; tries < triesMax; tries += 1) {
      const done = await step();
      if (done !== undefined) return done;
    }
    throw brokerUnavailable(`the lock ${key} changed ${triesMax} times while it was asked for`);
  }
}

/**
 * A holder is alive if Postgres shows its run as holding this issue, or its run or wake as waiting for
 * it (granted, not yet decided), or if its partition has not yet committed the message that asked.
 */
async function isAlive(pool: Sql, issueId: string, holder: LockEntry): Promise<boolean> {
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

/** The run that holds an issue, as Postgres has it. */
async function holderOf(pool: Sql, issueId: string): Promise<LockEntry | null> {
  const found = await guarded("holder", () =>
    pool.query<LockEntry>({
      name: "lock_holder",
      text: `select id as "runId", wakeup_request_id as "requestId", company_id as "companyId", agent_id as "agentId",
          partition, generation, stream_seq::float8 as sequence,
          extract(epoch from created_at)::float8 * 1000 as "requestedAtMs"
        from heartbeat_runs where issue_id = $1 and holds_issue`,
      values: [issueId],
    }),
  );
  return found.rows[0] ?? null;
}
