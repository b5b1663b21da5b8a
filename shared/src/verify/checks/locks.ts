/** I11, across Postgres and the bucket of locks: both name the same holder, and nobody holds a lock who is nobody. */
import { openBucket } from "../../nats/bucket.js";
import { lockKey, lockSchema } from "../../protocol/issue-lock.js";
import type { LockEntry, LockValue } from "../../protocol/issue-lock.js";
import type { Check } from "../check.js";
import type { Evidence } from "../evidence.js";
import type { Shown } from "../report.js";
import { settled } from "../settled.js";
import type { Look } from "../settled.js";

interface Holder {
  key: string;
  runId: string;
}

/** The bucket as it is now; an unreadable value has no holder. */
async function readLocks({ streams }: Evidence): Promise<Map<string, LockValue | null>> {
  const bucket = await openBucket(streams!.bus, streams!.names.issueLocks);
  const locks = new Map<string, LockValue | null>();
  for (const key of await bucket.keys()) {
    const entry = await bucket.get(key);
    if (entry) locks.set(key, parse(entry.value));
  }
  return locks;
}

function parse(bytes: Uint8Array): LockValue | null {
  try {
    return lockSchema.safeParse(JSON.parse(Buffer.from(bytes).toString())).data ?? null;
  } catch {
    return null; // no JSON: whoever needs the lock replaces it
  }
}

const holdersSql = `select company_id as "companyId", issue_id as "issueId", id as "runId" from heartbeat_runs where holds_issue`;

async function heldAlike(evidence: Evidence): Promise<Look> {
  const locks = await readLocks(evidence);
  const rows = await evidence.ask<{ companyId: string; issueId: string; runId: string }>(
    holdersSql,
  );
  const holders: Holder[] = rows.map(({ companyId, issueId, runId }) => ({
    key: lockKey(companyId, issueId),
    runId,
  }));
  const wrong = new Map<string, Shown>();
  for (const { key, runId } of holders) {
    const lockSays = locks.get(key)?.holder.runId ?? null;
    if (lockSays !== runId) wrong.set(key, { lock: key, postgresSays: runId, lockSays });
  }
  return { looked: holders.length, wrong };
}

/** Alive as hosts judge it: it holds, it waits, or the message that asked is not yet applied. */
const aliveSql = `select x.key from unnest($1::text[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::int[], $7::float8[])
    as x(key, issue, run, request, partition, generation, sequence)
  where exists (select 1 from heartbeat_runs r where r.id = x.run and r.issue_id = x.issue and (r.holds_issue or r.phase = 'waiting' or r.owes_release))
    or exists (select 1 from agent_wakeup_requests w where w.id = x.request and w.issue_id = x.issue and (w.waits or w.owes_release))
    or exists (select 1 from partitions p where p.partition = x.partition
      and (p.generation < x.generation or (p.generation = x.generation and p.cursor_seq < x.sequence)))`;

async function holdersLive(evidence: Evidence): Promise<Look> {
  const locks = await readLocks(evidence);
  const wrong = new Map<string, Shown>();
  const places: { key: string; issueId: string; role: string; entry: LockEntry }[] = [];
  for (const [key, value] of locks) {
    const issueId = key.split(".")[1] ?? "";
    if (!value || !/^[0-9a-f-]{36}$/.test(issueId))
      wrong.set(key, { lock: key, fault: "unreadable" });
    else
      [value.holder, ...value.waiters].forEach((entry, place) =>
        places.push({ key, issueId, role: place === 0 ? "holder" : "waiter", entry }),
      );
  }
  const alive = new Set(
    (
      await evidence.ask<{ key: string }>(aliveSql, [
        places.map(({ key, entry }) => `${key} ${entry.runId}`),
        places.map(({ issueId }) => issueId),
        places.map(({ entry }) => entry.runId),
        places.map(({ entry }) => entry.requestId),
        places.map(({ entry }) => entry.partition),
        places.map(({ entry }) => entry.generation),
        places.map(({ entry }) => entry.sequence),
      ])
    ).map(({ key }) => key),
  );
  for (const { key, role, entry } of places) {
    const id = `${key} ${entry.runId}`;
    const { runId, agentId } = entry;
    // A dead waiter behind a live holder is passed over when its turn comes; a dead holder keeps everybody out.
    if (!alive.has(id) && (role === "holder" || evidence.atRest))
      wrong.set(id, { lock: key, [role]: runId, agentId, fault: "nobody lives behind it" });
    else if (evidence.atRest && role === "holder")
      wrong.set(id, { lock: key, holder: runId, agentId, fault: "held at rest" });
  }
  return { looked: locks.size, wrong };
}

export const lockChecks: readonly Check[] = [
  {
    invariant: "I11",
    title: "the lock of an issue names the run that holds it in Postgres",
    unit: "runs that hold an issue",
    needs: ["streams"],
    stage: "settling",
    run: (evidence) => settled(evidence, () => heldAlike(evidence)),
  },
  {
    invariant: "I11",
    title: "whoever stands in the lock of an issue is alive",
    unit: "locks",
    needs: ["streams"],
    stage: "settling",
    run: (evidence) => settled(evidence, () => holdersLive(evidence)),
  },
];
