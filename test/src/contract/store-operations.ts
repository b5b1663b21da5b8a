// Owns what the contract asks of both stores: the shipped functions of the actor's shell, called with random arguments, with stand-ins for
// everything that is not the store. Says nothing of how they compare.
import type { Delivery, LockOutcome } from "@reveille/agent-actor/core/delivery";
import type { LockEntry } from "@reveille/agent-actor/core/lock";
import { commitBatch } from "@reveille/agent-actor/shell/commit";
import type { Committed, CursorMove } from "@reveille/agent-actor/shell/commit";
import { createCompanies } from "@reveille/agent-actor/shell/companies";
import { removeDeletedAgents } from "@reveille/agent-actor/shell/deleted-agents";
import { readExecutionFacts } from "@reveille/agent-actor/shell/execution-facts";
import { readFacts } from "@reveille/agent-actor/shell/facts";
import { announceGap } from "@reveille/agent-actor/shell/gap";
import type { GapContext } from "@reveille/agent-actor/shell/gap";
import { createHostLease } from "@reveille/agent-actor/shell/host-lease";
import { IssueLocks } from "@reveille/agent-actor/shell/issue-locks";
import { keepTopology } from "@reveille/agent-actor/shell/keeper";
import type { KeeperContext } from "@reveille/agent-actor/shell/keeper";
import { loadAgents } from "@reveille/agent-actor/shell/load";
import { createOwedReleases } from "@reveille/agent-actor/shell/owed-releases";
import {
  adoptGeneration,
  raiseGeneration,
  releasePartitions,
  takePartitions,
} from "@reveille/agent-actor/shell/partition-rows";
import { reconcile } from "@reveille/agent-actor/shell/reconcile";
import type { ReconcileContext } from "@reveille/agent-actor/shell/reconcile";
import { removeOld } from "@reveille/agent-actor/shell/retention";
import { createTimers } from "@reveille/agent-actor/shell/timers";
import type { TimersContext } from "@reveille/agent-actor/shell/timers";
import type { RowSet } from "@reveille/agent-actor/shell/row-set";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Execution } from "@reveille/shared/protocol/execution";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import { systemClock } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Random } from "../simulation/machine/random.js";
import type { RowMaker } from "./store-rows.js";
import type { Twin } from "./store-twin.js";

export interface Scene {
  twin: Twin;
  random: Random;
  rows: RowMaker;
  partitions: number;
  hostIds: readonly string[];
  /** What batches came to. */
  outcomes: Map<string, number>;
}
type Operation = (scene: Scene) => Promise<unknown>;

/** An hour: whether a lease has ended is never a question of the test's own speed. */
const hourMs = 3_600_000;
const ignore = (): undefined => undefined;
const logger = { info: ignore, warn: ignore, error: ignore } as unknown as Logger;
const bus = { publish: ignore };
const publisher = { publish: () => Promise.resolve(undefined) };
const still: Clock = {
  ...systemClock,
  every: () => ({ cancel: ignore }),
  after: () => ({ cancel: ignore }),
};

const some = <T>({ random }: Scene, of: readonly T[]): T[] => of.filter(() => random.chance(0.5));
const somePartitions = (scene: Scene): number[] =>
  some(
    scene,
    Array.from({ length: scene.partitions }, (_, partition) => partition),
  );
/** Known ids, and one that nobody knows. */
const someOf = (scene: Scene, ids: readonly string[]): string[] => [
  ...some(scene, ids.slice(-8)),
  scene.rows.uuid(),
];

const take: Operation = (scene) =>
  takePartitions(scene.twin.sql, scene.random.pick(scene.hostIds), somePartitions(scene));
const release: Operation = (scene) =>
  releasePartitions(scene.twin.sql, scene.random.pick(scene.hostIds), somePartitions(scene));

const lease: Operation = (scene) => {
  const { random, twin } = scene;
  const hostId = random.pick(scene.hostIds);
  const options = { hostId, version: "1", clock: systemClock, logger };
  const own = createHostLease(twin.sql, {
    ...options,
    ttlMs: random.chance(0.3) ? -hourMs : hourMs,
  });
  return random.chance(0.15) ? own.resign() : own.renew();
};

const generation: Operation = async (scene) => {
  const { random, twin } = scene;
  const inForce = twin.store.tables.mailbox_state.get(1)!.generation;
  if (random.chance(0.4)) return raiseGeneration(twin.sql, inForce - (random.chance(0.5) ? 1 : 0));
  const row = rowOf(scene, random.below(scene.partitions));
  if (random.chance(0.3)) row.epoch -= 1;
  return adoptGeneration(twin.sql, row, inForce);
};
function rowOf({ twin }: Scene, partition: number) {
  const row = twin.store.tables.partitions.get(partition)!;
  return {
    partition,
    epoch: row.epoch,
    generation: row.generation,
    cursorSeq: row.cursor_seq,
    cursorNs: row.cursor_ns,
    skipSeq: row.skip_seq,
    skipNs: row.skip_ns,
  };
}

const keep: Operation = async ({ twin, random, hostIds }) => {
  const streams = {
    facts: () => Promise.resolve(random.chance(0.2) ? null : {}),
    ensureTopology: () => Promise.resolve([]),
  };
  const there = { ...bus, connected: true };
  const context = { pool: twin.sql, bus: there, streams, clock: systemClock, logger };
  const subjects = createSubjects();
  const loss = { announced: false };
  const keeper = {
    ...context,
    link: there,
    subjects,
    sizes: {},
    loss,
    hostId: random.pick(hostIds),
  };
  await keepTopology(keeper as unknown as KeeperContext);
  if (random.chance(0.3))
    await announceGap(keeper as unknown as GapContext, { generation: 2, why: "sentinel gone" });
};

const commit: Operation = (scene) => {
  const { random, rows } = scene;
  const batch = rows.batch();
  return commitRows(scene, batch, random.chance(0.1) ? "fenced" : "ours");
};
/** Counts what it came to. */
export async function commitRows(
  scene: Scene,
  rows: RowSet,
  as: "fenced" | "ours",
): Promise<Committed> {
  const { random, twin, outcomes } = scene;
  const [first = 0, ...more] = somePartitions(scene);
  const moves = [first, ...more].map((partition): CursorMove => {
    const { epoch, cursorSeq: fromSeq, cursorNs } = rowOf(scene, partition);
    const steps = random.below(5);
    // Nanoseconds as a stream has them: beyond what a number holds.
    const toNs = (cursorNs || 1_767_225_600_000_000_001n) + BigInt(steps);
    return { partition, epoch, fromSeq, toSeq: fromSeq + steps, toNs };
  });
  if (as === "fenced") moves[0]![random.pick(["epoch", "fromSeq"] as const)] += 1;
  const committed = await commitBatch(twin.sql, rows, moves);
  const { kind } = committed;
  // Nothing is away here: this is what a difference between the stores looks like to the shell.
  if (kind === "unavailable") throw new Error(committed.reason);
  const what = kind === "rejected" ? `rejected ${committed.reason.split(":")[0]!}` : kind;
  outcomes.set(what, (outcomes.get(what) ?? 0) + 1);
  return committed;
}

const load: Operation = (scene) =>
  loadAgents(scene.twin.sql, someOf(scene, scene.rows.cast.agentIds));

const facts: Operation = async (scene) => {
  const { random, rows, twin } = scene;
  const { cast } = rows;
  const message = (): Delivery["message"] => {
    const issueId = random.pick(cast.issueIds);
    const kind = random.pick(["wake", "timer", "cost", "grant"]);
    if (kind === "cost")
      return { kind, body: { id: random.pick([...cast.costIds, rows.uuid()]) } } as never;
    if (kind === "grant") return { kind, body: { issueId } } as never;
    const id = random.pick([...cast.wakeIds, "unknown"]);
    if (kind === "timer") return { kind, body: { id } } as never;
    const idempotencyKey = random.chance(0.5) ? `key ${random.below(60)}` : undefined;
    const contextSnapshot = { issueId, taskKey: random.pick(["task 1", "task 2", "task 3"]) };
    return {
      kind,
      body: { id: random.chance(0.8) ? id : undefined, idempotencyKey, contextSnapshot },
    } as never;
  };
  const deliveries = Array.from({ length: 8 }, () => ({
    message: message(),
    agentId: random.pick(cast.agentIds),
  }));
  const repeats = some(scene, cast.keys.slice(-8)).map(({ agentId, key: idempotencyKey }) => ({
    message: { kind: "wake", body: { idempotencyKey } },
    agentId,
  }));
  await readFacts(twin.sql, [...deliveries, ...repeats] as unknown as Delivery[]);
  await createCompanies(twin.sql).know([cast.companyId, cast.otherId, rows.uuid()]);
};

const executions: Operation = (scene) => {
  const { random, rows, twin } = scene;
  const { cast } = rows;
  const asked = Array.from({ length: 1 + random.below(4) }, () => ({
    companyId: random.chance(0.9) ? cast.companyId : rows.uuid(),
    issueId: random.pick([null, rows.uuid(), ...cast.issueIds]),
    context: random.chance(0.5) ? { projectId: random.pick(cast.projectIds) } : {},
  }));
  return readExecutionFacts(twin.sql, asked as unknown as Execution[]);
};

const locks: Operation = async (scene) => {
  const { random, rows, twin } = scene;
  const { cast } = rows;
  const { heartbeat_runs, agent_wakeup_requests } = twin.store.tables;
  // Ids that belong together half of the time: a run or a wake with the issue that it names.
  const run = heartbeat_runs.get(random.pick([...cast.runIds.slice(-20), ""]));
  const wake = agent_wakeup_requests.get(random.pick([...cast.wakeRequestIds.slice(-20), ""]));
  const named = random.chance(0.5) ? run?.issue_id : wake?.issue_id;
  const issueId = named ?? random.pick(cast.issueIds);
  const entry = (): LockEntry => {
    const partition = random.below(scene.partitions);
    const { generation, cursorSeq } = rowOf(scene, partition);
    return {
      runId: run && random.chance(0.5) ? run.id : rows.uuid(),
      requestId: wake && random.chance(0.5) ? wake.id : rows.uuid(),
      companyId: cast.companyId,
      agentId: random.pick(cast.agentIds),
      partition: random.chance(0.9) ? partition : scene.partitions,
      generation: generation - 1 + random.below(3),
      // Applied long ago, or on either side of the cursor: most holders are alive by nothing but what their rows say.
      sequence: random.chance(0.6) ? -1 : cursorSeq - 1 + random.below(3),
      requestedAtMs: 1,
    };
  };
  await lookAtHolder(twin, issueId, entry(), entry());
};
/** Somebody asks for an issue that the bucket says is held. */
export async function lookAtHolder(
  { sql }: Twin,
  issueId: string,
  holder: LockEntry,
  asking: LockEntry,
): Promise<LockOutcome> {
  const value = Buffer.from(JSON.stringify({ holder, waiters: [] }));
  const bucket = {
    get: () => Promise.resolve({ key: "", value, revision: 1 }),
    create: () => Promise.resolve(1),
    update: () => Promise.resolve(2),
    remove: () => Promise.resolve(true),
  };
  const issueLocks = new IssueLocks(bucket as unknown as Bucket, sql);
  const { outcome } = await issueLocks.acquire(issueId, asking);
  await issueLocks.repair(issueId);
  return outcome;
}

const settle: Operation = async (scene) => {
  const owed = createOwedReleases(scene.twin.sql, still, logger);
  const { runIds, wakeRequestIds } = scene.rows.cast;
  for (const id of someOf(scene, runIds)) owed.settled("run", id);
  for (const id of someOf(scene, wakeRequestIds)) owed.settled("wake", id);
  await owed.stop();
};

const reconcileSome: Operation = (scene) => {
  const { random, twin } = scene;
  // Pages begin anywhere: there are never as many rows as fill one.
  const { runIds, wakeRequestIds } = scene.rows.cast;
  const after = random.pick(["00000000-0000-0000-0000-000000000000", ...runIds, ...wakeRequestIds]);
  const pool: Sql = {
    query: (statement) =>
      twin.sql.query(
        statement.name === "reconcile_rows"
          ? { ...statement, values: [...statement.values!.slice(0, 2), after] }
          : statement,
      ),
  };
  const context = {
    pool,
    publisher,
    subjects: createSubjects(),
    locks: {
      acquire: () => Promise.resolve({ outcome: "waiting", replaced: null }),
      assertHolder: () => Promise.resolve(null),
    },
    leases: { stateOf: () => Promise.resolve("gone") },
    perform: ignore,
    logger,
  } as unknown as ReconcileContext;
  return reconcile(context, somePartitions(scene), random.pick([0, 5_000, hourMs / 2]));
};

const timers: Operation = async (scene) => {
  const context = {
    pool: scene.twin.sql,
    clock: still,
    publisher,
    subjects: createSubjects(),
    logger,
    trusted: () => true,
  };
  const own = createTimers(context as unknown as TimersContext);
  await own.refresh(somePartitions(scene));
  await own.adopt(scene.random.below(scene.partitions));
  own.stop();
};

/** How often each is chosen, beside the others. */
const operations: readonly [weight: number, operation: Operation][] = [
  [12, commit],
  [3, take],
  [1, release],
  [4, lease],
  [5, generation],
  [2, keep],
  [4, load],
  [4, facts],
  [2, executions],
  [4, locks],
  [2, settle],
  [2, reconcileSome],
  [2, timers],
  [1, ({ twin }) => removeOld(twin.sql)],
  [1, ({ twin }) => removeDeletedAgents(twin.sql)],
];

/** One of them. */
export function operate(scene: Scene): Promise<unknown> {
  let at = scene.random.below(operations.reduce((sum, [weight]) => sum + weight, 0));
  for (const [weight, operation] of operations) {
    if (at < weight) return operation(scene);
    at -= weight;
  }
  throw new Error("weights do not add up");
}
