/** Putting the bucket right against Postgres while the run in question ends: nobody may stay behind as a dead holder. */
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Pool } from "@reveille/shared/postgres/pool";
import { expect, test } from "vitest";
import type { LockEntry, LockValue } from "../core/lock.js";
import { IssueLocks } from "./issue-locks.js";

const entry = (runId: string, requestedAtMs: number): LockEntry => ({
  runId,
  requestId: `request-${runId}`,
  companyId: "company",
  agentId: `agent-${runId}`,
  partition: 1,
  generation: 1,
  sequence: requestedAtMs,
  requestedAtMs,
});
const [ended, waiter] = [entry("ended", 1), entry("waiter", 2)];

/** One key, compare-and-set as the server does it. */
function memoryBucket(initial: LockValue | null) {
  let value = initial;
  let revision = initial === null ? 0 : 1;
  const write = (bytes: Uint8Array, expected: number): number | null => {
    if (expected !== (value === null ? 0 : revision)) return null;
    value = JSON.parse(Buffer.from(bytes).toString()) as LockValue;
    return (revision += 1);
  };
  const bucket: Partial<Bucket> = {
    get: async (key) =>
      value === null ? null : { key, value: Buffer.from(JSON.stringify(value)), revision },
    create: async (_key, bytes) => write(bytes, 0),
    update: async (_key, bytes, expected) => write(bytes, expected),
    remove: async (_key, expected) => {
      if (expected !== revision) return false;
      value = null;
      revision += 1;
      return true;
    },
  };
  return {
    bucket: bucket as Bucket,
    get value() {
      return value;
    },
  };
}

/** Postgres that names these holders, one a question. */
const poolOf = (holders: (LockEntry | null)[]): Pool =>
  ({
    query: async () => {
      const holder = holders.shift() ?? null;
      return { rows: holder ? [holder] : [] };
    },
  }) as unknown as Pool;

test("given a run that holds, when the bucket is empty, then it is the holder there", async () => {
  const memory = memoryBucket(null);
  const locks = new IssueLocks(memory.bucket, poolOf([ended, ended]));
  expect(await locks.assertHolder("issue", ended)).toBeNull();
  expect(memory.value).toEqual({ holder: ended, waiters: [] });
});

test("given a run that has ended since the caller looked, then nothing is written", async () => {
  const memory = memoryBucket({ holder: waiter, waiters: [] });
  const locks = new IssueLocks(memory.bucket, poolOf([null]));
  expect(await locks.assertHolder("issue", ended)).toBeNull();
  expect(memory.value).toEqual({ holder: waiter, waiters: [] });
});

test("given a run that ends while it is written into an empty bucket, then it is taken out again", async () => {
  const memory = memoryBucket(null);
  const locks = new IssueLocks(memory.bucket, poolOf([ended, null]));
  expect(await locks.assertHolder("issue", ended)).toBeNull();
  expect(memory.value).toBeNull();
});

test("given a run that ends while it is put before a waiter, then the waiter holds and is to be told", async () => {
  const memory = memoryBucket({ holder: waiter, waiters: [] });
  const locks = new IssueLocks(memory.bucket, poolOf([ended, null]));
  expect(await locks.assertHolder("issue", ended)).toEqual(waiter);
  expect(memory.value).toEqual({ holder: waiter, waiters: [] });
});

/** The same bucket, whose first answer to a read is that of a follower which lags. */
function firstReadLate(
  bucket: Bucket,
  late: { value: LockValue; revision: number } | null,
): Bucket {
  let reads = 0;
  return {
    ...bucket,
    get: async (key) => {
      reads += 1;
      if (reads > 1) return bucket.get(key);
      if (late === null) return null;
      return { key, value: Buffer.from(JSON.stringify(late.value)), revision: late.revision };
    },
  };
}

test.each([
  ["nothing", null],
  ["the holder before", { value: { holder: waiter, waiters: [] }, revision: 0 }],
])("given a lock, when a late read shows %s, then it is released all the same", async (_, late) => {
  const memory = memoryBucket({ holder: ended, waiters: [waiter] });
  const locks = new IssueLocks(firstReadLate(memory.bucket, late), poolOf([]));
  expect(await locks.release("company", "issue", "ended", null)).toEqual(waiter);
  expect(memory.value).toEqual({ holder: waiter, waiters: [] });
});

test("given a free issue, then a release leaves nothing behind", async () => {
  const memory = memoryBucket(null);
  const locks = new IssueLocks(memory.bucket, poolOf([]));
  expect(await locks.release("company", "issue", "ended", null)).toBeNull();
  expect(memory.value).toBeNull();
});
