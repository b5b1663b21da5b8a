/**
 * One batch: what arrived in several partitions is read, decided in order per agent, and committed
 * once. The order of steps is fixed here and nowhere else:
 *
 *   take -> read facts and states -> decide (locks by compare-and-set) -> commit with the fence -> effects
 *
 * Crash points: before the commit nothing is left but places in lock queues, which the same messages
 * find again; after it, effects that did not go out are owed by rows and redone by reconciling. A batch
 * that Postgres rejects is halved until the culprit is alone; that one becomes a dead letter.
 */
import type { StoredMessage } from "@reveille/shared/nats/partition-reader";
import { RuntimeError } from "@reveille/shared/errors";
import type { Sql } from "@reveille/shared/postgres/pool";
import { pause } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Effect } from "../core/decision.js";
import type { Delivery } from "../core/delivery.js";
import type { AgentState } from "../core/state.js";
import type { Activations } from "./activations.js";
import { commitBatch } from "./commit.js";
import type { Companies } from "./companies.js";
import type { CursorMove } from "./commit.js";
import { deadLetter, invalidWake } from "./dead-letter.js";
import { decideChain } from "./decide-chain.js";
import type { ChainContext } from "./decide-chain.js";
import { readMessage } from "./decode.js";
import { readFacts } from "./facts.js";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { IssueLocks } from "./issue-locks.js";
import { loadAgents } from "./load.js";
import { wasApplied } from "./partition.js";
import type { Partition } from "./partition.js";
import { RowSet } from "./row-set.js";
import type { Tally } from "./tally.js";
import type { TracedItem, Traces } from "./traces.js";

export interface BatchContext {
  clock: Clock;
  pool: Sql;
  logger: Logger;
  activations: Activations;
  companies: Companies;
  locks: IssueLocks;
  /** False once the host's lease may have ended: nothing is committed any more. */
  trusted: () => boolean;
  /** Performs what a committed decision asks for. Never throws. */
  perform: (effects: readonly Effect[]) => void;
  failpoint: Failpoint;
  tally: Tally;
  traces: Traces;
}
/** What was taken of one partition, in order. */
export interface Share {
  partition: Partition;
  messages: StoredMessage[];
}
export type BatchOutcome = { kind: "done" } | { kind: "step-down"; reason: string };

interface Item extends TracedItem {
  partition: Partition;
}

const nsPerMs = 1e6;

/** Applies the shares. `step-down`: ownership of some partition is gone, or may be. */
export async function runBatch(
  context: BatchContext,
  shares: readonly Share[],
): Promise<BatchOutcome> {
  const oldestNs = Math.min(...shares.map(({ messages }) => Number(messages[0]!.timestampNs)));
  const takenMs = context.clock.wallMs();
  context.tally.taken(takenMs - oldestNs / nsPerMs);
  const items = shares.flatMap(({ partition, messages }) =>
    messages.map((message): Item => {
      const read = wasApplied(partition.row, message)
        ? ({ kind: "applied" } as const)
        : readMessage(message, partition.row.generation);
      return { partition, message, takenMs, ...context.traces.begin(read) };
    }),
  );
  return runItems(context, items, new Set());
}

async function runItems(
  context: BatchContext,
  items: readonly Item[],
  heldElsewhere: Set<string>,
): Promise<BatchOutcome> {
  // A statement was sent whose end nobody knows: it may be written yet.
  let uncertain = false;
  for (let tries = 0; ; tries += 1) {
    if (!context.trusted()) return { kind: "step-down", reason: "the lease may have ended" };
    try {
      const outcome = await tryItems(context, items, heldElsewhere, uncertain);
      switch (outcome.kind) {
        case "committed":
          return { kind: "done" };
        case "overtaken":
          startAnew(context, items);
          return { kind: "done" };
        case "fenced":
          return { kind: "step-down", reason: "another epoch owns a partition" };
        case "issue-held":
          if (!heldElsewhere.has(outcome.issueId)) {
            heldElsewhere.add(outcome.issueId);
            continue;
          }
          // Two agents of this very batch took it from each other: one after the other they will not.
          if (items.length > 1) return await inHalves(context, items, heldElsewhere);
          context.logger.warn({ issueId: outcome.issueId, tries }, "an issue is still held");
          break;
        case "rejected":
          return await halve(context, items, heldElsewhere, outcome.reason);
        case "unavailable":
          uncertain = true;
          context.logger.warn(
            { reason: outcome.reason, tries },
            "the batch could not be committed yet",
          );
      }
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      context.logger.warn({ err: error, tries }, "the batch could not be decided yet");
    }
    // Without limit: the mailbox waits, nothing is dropped. 2 s at most, below the lease.
    await pause(context.clock, Math.min(2_000, 50 * 2 ** Math.min(tries, 6)));
  }
}

/**
 * The batch is in Postgres, by an earlier try whose answer was lost and whose decisions are gone: a wake that it
 * had taken in passes for a repeat now. So its agents are loaded anew, and what it owes is found by reconciling,
 * which comes before the next message is read.
 */
function startAnew({ activations }: BatchContext, items: readonly Item[]): void {
  for (const { partition, message, read } of items) {
    if (read.kind === "delivery" && partition.state !== "closed")
      activations.drop(read.delivery.agentId);
    partition.advance(message.seq, message.timestampNs);
  }
  for (const partition of new Set(items.map((item) => item.partition)))
    partition.reopen("an earlier try was committed");
}

/** Finds the message that cannot be committed: it alone becomes a dead letter. */
async function halve(
  context: BatchContext,
  items: readonly Item[],
  held: Set<string>,
  reason: string,
): Promise<BatchOutcome> {
  if (items.length === 1) {
    const item = items[0]!;
    context.logger.error({ reason, seq: item.message.seq }, "a message cannot be committed");
    return runItems(
      context,
      [{ ...item, read: { kind: "dead", address: null, reason: `commit: ${reason}` } }],
      held,
    );
  }
  return inHalves(context, items, held);
}

async function inHalves(
  context: BatchContext,
  items: readonly Item[],
  held: Set<string>,
): Promise<BatchOutcome> {
  const middle = items.length >> 1;
  const first = await runItems(context, items.slice(0, middle), held);
  return first.kind === "done" ? runItems(context, items.slice(middle), held) : first;
}

async function tryItems(
  context: BatchContext,
  items: readonly Item[],
  heldElsewhere: ReadonlySet<string>,
  again: boolean,
) {
  const { clock, tally } = context;
  const beganMs = clock.monotonicMs();
  const deliveries = items.flatMap(({ read }) => (read.kind === "delivery" ? [read.delivery] : []));
  const byAgent = groupByAgent(deliveries);
  // Taken once: an agent that leaves memory while facts are read must not pass for one that nobody knows.
  const resident = new Map(
    [...byAgent.keys()].map((agentId) => [agentId, context.activations.get(agentId)]),
  );
  const missing = [...byAgent.keys()].filter((agentId) => !resident.get(agentId));
  const [loaded, facts] = await Promise.all([
    loadAgents(context.pool, missing),
    readFacts(context.pool, deliveries),
    context.companies.know(deliveries.map(({ companyId }) => companyId)),
  ]);

  const rows = new RowSet();
  const effects: Effect[] = [];
  const states = new Map<string, AgentState | null>();
  const chain: ChainContext = {
    facts,
    companies: context.companies,
    locks: context.locks,
    heldElsewhere,
    rows,
    effects,
    notes: [],
    tally,
    failpoint: context.failpoint,
    logger: context.logger,
  };
  await Promise.all(
    [...byAgent].map(async ([agentId, own]) => {
      const before = resident.get(agentId) ?? loaded.get(agentId) ?? null;
      const after = await decideChain(chain, before, own);
      states.set(agentId, after);
    }),
  );
  for (const { read, message, partition } of items) {
    if (read.kind === "dead") rows.addDeadLetter(deadLetter(read, message, partition.number));
    else if (read.kind === "invalid-wake") invalidWake(read, message, rows, effects);
  }
  const decidedMs = clock.monotonicMs();
  tally.decided(decidedMs - beganMs);
  context.failpoint("before-commit");
  const outcome = await commitBatch(context.pool, rows, cursorsOf(items), again);
  tally.commit(outcome.kind, clock.monotonicMs() - decidedMs);
  if (outcome.kind !== "committed") return outcome;
  context.failpoint("after-commit");
  const { verdicts, deadLetters } = rows;
  tally.committed({ verdicts, deadLetters, decisions: chain.notes });
  const offsetMs = clock.wallMs() - clock.monotonicMs();
  context.traces.committed(items, chain.notes, {
    beganMs: beganMs + offsetMs,
    decidedMs: decidedMs + offsetMs,
    committedMs: clock.monotonicMs() + offsetMs,
  });
  // A partition that was given up meanwhile may be read again already, under another epoch: its agents are
  // loaded anew, and what this batch knows of them is old.
  for (const { partition, read } of items) {
    if (partition.state === "closed" || read.kind !== "delivery") continue;
    const state = states.get(read.delivery.agentId);
    if (state) context.activations.set(state);
    else if (state === null) context.activations.drop(read.delivery.agentId);
  }
  for (const { partition, message } of items) partition.advance(message.seq, message.timestampNs);
  context.perform(effects);
  return outcome;
}

function groupByAgent(deliveries: readonly Delivery[]): Map<string, Delivery[]> {
  const groups = new Map<string, Delivery[]>();
  for (const delivery of deliveries) {
    const group = groups.get(delivery.agentId);
    if (group) group.push(delivery);
    else groups.set(delivery.agentId, [delivery]);
  }
  return groups;
}

function cursorsOf(items: readonly Item[]): CursorMove[] {
  const moves = new Map<number, CursorMove>();
  for (const { partition, message } of items)
    moves.set(partition.number, {
      partition: partition.number,
      epoch: partition.epoch,
      fromSeq: partition.row.cursorSeq,
      toSeq: message.seq,
      toNs: message.timestampNs,
    });
  return [...moves.values()].sort((a, b) => a.partition - b.partition);
}
