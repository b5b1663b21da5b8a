/**
 * Decides the messages of one agent in order, on top of each other. Where a decision needs the lock of
 * an issue, it asks for it and decides again. What was decided earlier in the same batch counts as
 * given: a wake that comes twice in one batch gets the first verdict.
 */
import type { Verdict } from "@reveille/shared/protocol/wake";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { Logger } from "@reveille/shared/runtime/log";
import { InvariantViolation } from "@reveille/shared/errors";
import { decide } from "../core/decide.js";
import type { Decided, Effect, Row } from "../core/decision.js";
import type { Delivery, Inputs, LockOutcome, LockRequest } from "../core/delivery.js";
import { taskKeyOf } from "../core/context.js";
import { sessionKey } from "../core/state.js";
import type { AgentState } from "../core/state.js";
import { decideUnknownAgent } from "../core/unknown-agent.js";
import { factKey } from "./facts.js";
import type { Companies } from "./companies.js";
import type { Facts } from "./facts.js";
import type { IssueLocks } from "./issue-locks.js";
import type { RowSet } from "./row-set.js";
import { isoTime } from "@reveille/shared/protocol/time";
import { traceIdOf } from "@reveille/shared/runtime/tracing";
import type { DecisionNote, Tally } from "./tally.js";

export interface ChainContext {
  facts: Facts;
  companies: Companies;
  locks: IssueLocks;
  /** Issues that Postgres has shown to be held by somebody else, whatever the bucket says. */
  heldElsewhere: ReadonlySet<string>;
  rows: RowSet;
  effects: Effect[];
  /** What was decided, for whoever tells of it when it is committed. */
  notes: DecisionNote[];
  tally: Pick<Tally, "lock">;
  failpoint: Failpoint;
  logger: Logger;
}

/** Each pass asks for at least one lock more; a queue is at most 10,000 runs long. */
const passesMax = 10_001;

/** The agent's state after its messages; null when there is no such agent. @throws RuntimeError of the locks. */
export async function decideChain(
  context: ChainContext,
  before: AgentState | null,
  deliveries: readonly Delivery[],
): Promise<AgentState | null> {
  let state = before && withoutOldSessions(before);
  for (const delivery of deliveries) {
    if (state === null || state.agent.companyId !== delivery.companyId) {
      const { effects, verdict } = decideUnknownAgent(delivery);
      context.effects.push(...effects);
      if (verdict && !remembered(context, delivery, verdict))
        context.rows.add(verdictRow(delivery, verdict));
      continue;
    }
    try {
      const decided = await decideOne(context, state, delivery);
      for (const row of decided.rows) context.rows.add(row);
      context.effects.push(...decided.effects);
      context.notes.push({ before: state, delivery, decided });
      if (decided.verdict) remember(context, delivery, decided.verdict);
      forgetFacts(context.facts, delivery, decided.state.agent.adapterType);
      // Deleted: whatever comes after it finds nobody.
      state = decided.state.agent.deletedAtMs === null ? decided.state : null;
    } catch (error) {
      // A broken invariant concerns this message alone: it is kept as a dead letter and the agent goes on.
      if (!(
        error instanceof InvariantViolation ||
        error instanceof TypeError ||
        error instanceof RangeError
      ))
        throw error;
      context.logger.error({ err: error, ...fieldsOf(delivery) }, "cannot be decided");
      context.rows.addDeadLetter({
        companyId: delivery.companyId,
        agentId: delivery.agentId,
        partition: delivery.partition,
        generation: delivery.generation,
        streamSeq: delivery.sequence,
        kind: delivery.message.kind,
        stage: "decide",
        reason: error.message.slice(0, 2_000),
        payloadBase64: Buffer.from(JSON.stringify(delivery.message.body))
          .toString("base64")
          .slice(0, 65_536),
      });
    }
  }
  return state;
}

/** By which a line about a message is found: its agent, its run when it names one, its trace. */
const fieldsOf = ({ companyId, agentId, sequence, message, traceparent }: Delivery) => ({
  companyId,
  agentId,
  sequence,
  kind: message.kind,
  // A body that breaks what decides may be no body at all.
  ...pickRun(message.body as { runId?: unknown; attempt?: unknown } | null),
  traceId: traceIdOf(traceparent),
});
const pickRun = (body: { runId?: unknown; attempt?: unknown } | null) =>
  body?.runId === undefined ? {} : { runId: body.runId, attempt: body.attempt };

/** What this message has made untrue of what was read for the batch. */
function forgetFacts(
  { knownCosts, taskSessions }: Facts,
  { message, agentId }: Delivery,
  adapterType: string,
): void {
  if (message.kind === "cost") knownCosts.add(message.body.id);
  if (message.kind !== "reset-session") return;
  const { taskKey } = message.body;
  if (taskKey) taskSessions.delete(factKey(agentId, sessionKey(adapterType, taskKey)));
  else
    for (const key of taskSessions.keys())
      if (key.startsWith(factKey(agentId, ""))) taskSessions.delete(key);
}

async function decideOne(
  context: ChainContext,
  state: AgentState,
  delivery: Delivery,
): Promise<Decided> {
  const locks = new Map<string, LockOutcome>();
  const inputs: Inputs = {
    locks,
    issues: context.facts.issues,
    company: context.companies.facts(delivery.companyId),
    ...taskFacts(context.facts, state, delivery),
    ...samenessOf(context.facts, delivery),
  };
  for (let pass = 0; pass < passesMax; pass += 1) {
    const decision = decide(state, delivery, inputs);
    if (decision.kind === "decided") return decision;
    for (const request of decision.locks)
      locks.set(request.runId, await askLock(context, delivery, request));
  }
  throw new InvariantViolation("a decision keeps asking for locks", { agentId: delivery.agentId });
}

async function askLock(
  context: ChainContext,
  delivery: Delivery,
  request: LockRequest,
): Promise<LockOutcome> {
  const entry = {
    runId: request.runId,
    requestId: request.requestId,
    companyId: delivery.companyId,
    agentId: delivery.agentId,
    partition: delivery.partition,
    generation: delivery.generation,
    sequence: delivery.sequence,
    requestedAtMs: request.requestedAtMs,
  };
  if (context.heldElsewhere.has(request.issueId)) {
    const told = await context.locks.repair(request.issueId);
    if (told) context.effects.push(grantEffect(request.issueId, told));
  }
  const { outcome, replaced } = await context.locks.acquire(request.issueId, entry);
  context.failpoint("after-acquire");
  context.tally.lock(outcome);
  // A dead holder gave way to the first waiter: it is told by the mailbox, like by any hand-over.
  if (replaced) context.effects.push(grantEffect(request.issueId, replaced));
  return outcome;
}

const grantEffect = (
  issueId: string,
  to: { companyId: string; agentId: string; runId: string; requestId: string },
): Effect => ({
  kind: "grant",
  companyId: to.companyId,
  agentId: to.agentId,
  issueId,
  runId: to.runId,
  wakeId: to.requestId,
});

/** Sessions kept beyond those of live runs and waiting wakes; their number is small, their use rare. */
const spareSessionsMax = 32;

/** Forgets sessions that nothing lives for; whoever needs one again reads it with its wake. */
function withoutOldSessions(state: AgentState): AgentState {
  const needed = state.runs.length + state.waits.length + spareSessionsMax;
  if (state.taskSessions.size <= needed) return state;
  const keys = new Set(
    [...state.runs, ...state.waits].map(({ taskKey }) =>
      taskKey === null ? null : sessionKey(state.agent.adapterType, taskKey),
    ),
  );
  const kept = [...state.taskSessions].filter(([key]) => keys.has(key));
  return { ...state, taskSessions: new Map(kept) };
}

function taskFacts(
  facts: Facts,
  state: AgentState,
  { message, agentId }: Delivery,
): Pick<Inputs, "taskSession" | "costKnown"> {
  const taskKey =
    message.kind === "wake"
      ? taskKeyOf(message.body.contextSnapshot ?? {}, message.body.payload ?? {})
      : null;
  const key = taskKey === null ? null : sessionKey(state.agent.adapterType, taskKey);
  return {
    taskSession: (key && facts.taskSessions.get(factKey(agentId, key))) || null,
    costKnown: message.kind === "cost" && facts.knownCosts.has(message.body.id),
  };
}

function samenessOf(facts: Facts, delivery: Delivery): Pick<Inputs, "earlier" | "keyOwner"> {
  const { message, agentId } = delivery;
  if (message.kind === "timer")
    return {
      earlier: facts.verdicts.get(factKey(agentId, message.body.id)) ?? null,
      keyOwner: null,
    };
  if (message.kind !== "wake") return { earlier: null, keyOwner: null };
  const { id, idempotencyKey } = message.body;
  return {
    earlier: (id !== undefined && facts.verdicts.get(factKey(agentId, id))) || null,
    keyOwner: (idempotencyKey && facts.keyOwners.get(factKey(agentId, idempotencyKey))) || null,
  };
}

/** Later messages of this batch see this verdict as given. */
function remember(context: ChainContext, delivery: Delivery, verdict: Verdict): void {
  if (delivery.message.kind !== "wake") return;
  context.facts.verdicts.set(factKey(delivery.agentId, verdict.wakeId), verdict);
  const { idempotencyKey } = delivery.message.body;
  if (!idempotencyKey || verdict.outcome === "rejected") return;
  const key = factKey(delivery.agentId, idempotencyKey);
  if (!context.facts.keyOwners.has(key))
    context.facts.keyOwners.set(key, { verdict, run: verdict.run ?? null });
}

/** True when this verdict is kept already; else it counts as kept from now on. */
function remembered(context: ChainContext, delivery: Delivery, verdict: Verdict): boolean {
  const known = context.facts.verdicts.has(factKey(delivery.agentId, verdict.wakeId));
  context.facts.verdicts.set(factKey(delivery.agentId, verdict.wakeId), verdict);
  return known;
}

export const verdictRow = (delivery: Omit<Delivery, "message">, verdict: Verdict): Row => ({
  table: "verdicts",
  op: "insert",
  row: {
    agentId: delivery.agentId,
    wakeId: verdict.wakeId,
    companyId: delivery.companyId,
    verdict,
    createdAt: isoTime(delivery.atMs),
  },
});
