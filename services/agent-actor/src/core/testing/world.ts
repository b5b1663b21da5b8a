/**
 * Several agents, their mailboxes, a store, a lock bucket and runners, driven one step at a time. What
 * the real shell does between decisions is done here in the simplest way and in any order: effects late,
 * twice or lost, crashes before and after the commit, a wiped bucket, reports sent again. It breaks with
 * an `InvariantViolation` at the step that breaks a promise.
 */
import { invariant } from "@reveille/shared/errors";
import { runIdOfWake } from "@reveille/shared/protocol/ids";
import { dispatchEffect } from "../admit.js";
import { taskKeyOf } from "../context.js";
import { decide } from "../decide.js";
import type { Decided, Effect } from "../decision.js";
import type { Delivery, Inputs, LockOutcome, MailboxMessage } from "../delivery.js";
import type { LockEntry } from "../lock.js";
import type { AgentState, RunState } from "../state.js";
import { freeSlots, hasSlot, isDelayed, sessionKey } from "../state.js";
import { decideUnknownAgent } from "../unknown-agent.js";
import { checkBooks } from "./books.js";
import { companyId, deliver, inputsOf } from "./fixtures.js";
import { createLockBucket } from "./lock-bucket.js";
import { Runners } from "./runners.js";
import { commit, createStore } from "./store.js";

interface Box {
  state: AgentState;
  waiting: Delivery[];
  /** The sequence of the last message applied. */
  cursor: number;
  /** Its company was closed, and nobody has told it yet that it is open again. */
  unaware: boolean;
}

export class World {
  readonly store = createStore();
  readonly locks = createLockBucket((issueId, holder) => this.#isAlive(issueId, holder));
  readonly runners = new Runners(
    (agentId, message) => this.send(agentId, message),
    (agentId) => this.#box(agentId).state.policy.maxConcurrentRuns,
  );
  readonly boxes: readonly Box[];
  readonly issues: readonly string[];
  effects: Effect[] = [];
  companyStatus: "active" | "paused" = "active";
  /** Every report that was ever sent, to be sent again at any time. */
  readonly sent: { agentId: string; message: MailboxMessage }[] = [];
  /** Reports that a transaction has accepted: their repeats must change nothing. */
  readonly #committed = new Set<string>();
  #sequence = 0;

  constructor(agents: readonly AgentState[], issues: readonly string[]) {
    this.boxes = agents.map((state) => ({
      state: freeze(state),
      waiting: [],
      cursor: 0,
      unaware: false,
    }));
    this.issues = issues;
  }

  send(agentId: string, message: MailboxMessage): void {
    const box = this.#box(agentId);
    this.#sequence += 1;
    if (message.kind.startsWith("run.")) this.sent.push({ agentId, message });
    box.waiting.push(deliver(box.state, message, { sequence: this.#sequence }));
  }

  /** Applies the next message of a mailbox; `crash`: the host dies right before the commit. */
  step(box: Box, crash = false): void {
    const delivery = box.waiting[0];
    if (!delivery) return;
    if (box.state.agent.deletedAtMs !== null) {
      this.effects.push(...decideUnknownAgent(delivery).effects.filter(isActedOn));
      box.cursor = delivery.sequence;
      box.waiting.shift();
      return;
    }
    const held = new Set<string>();
    for (;;) {
      const decided = this.#decide(box.state, delivery, held);
      if (crash) return;
      this.#checkRepeat(box, delivery, decided);
      const issueHeld = commit(this.store, decided.rows);
      if (issueHeld !== null) {
        invariant(!held.has(issueHeld), "an issue that is held is waited for", { issueHeld });
        held.add(issueHeld);
        continue;
      }
      box.state = freeze(decided.state);
      box.cursor = delivery.sequence;
      box.waiting.shift();
      this.effects.push(...decided.effects.filter(isActedOn));
      if (decided.outcome === "applied") this.#committed.add(JSON.stringify(delivery.message));
      if (delivery.message.kind === "admit" && this.companyStatus === "active") box.unaware = false;
      this.#checkState(box);
      checkBooks(this.store.books, box.state);
      return;
    }
  }

  /** Closes the company, or opens it and tells every agent. */
  setCompany(status: "active" | "paused"): void {
    this.companyStatus = status;
    for (const box of this.boxes) {
      box.unaware = true;
      if (status === "active")
        this.send(box.state.agent.id, { kind: "admit", body: { actorType: "system" } });
    }
  }

  /** The clock has come to where the earliest delayed run of the agent is due. */
  fireRetry({ state }: Box): void {
    const { id, nextRetryAtMs: dueAtMs } = state.agent;
    if (dueAtMs === null) return;
    this.send(id, { kind: "timer", body: { id: `retry:${id}`, dueAtMs, timer: "retry" } });
  }

  perform(effect: Effect): void {
    switch (effect.kind) {
      case "dispatch":
        return this.runners.store(effect.execution);
      case "withdraw":
        return this.runners.withdraw(effect.runId, effect.attempt);
      case "answer":
        return this.runners.hear(effect);
      case "release":
        return this.#grant(
          effect.issueId,
          this.locks.release(effect.issueId, effect.runId, effect.notAfter),
          effect,
        );
      case "grant":
        return this.#sendGrant(effect.agentId, effect.issueId, effect.runId, effect.wakeId);
      case "control":
      case "reply":
      case "announce":
      case "set-timer":
        return;
    }
  }

  /** What a successor looks at: the shell's `reconcile`, by the same rules. */
  reconcile(box: Box): void {
    for (const run of box.state.runs) {
      const entry = entryOf(box.state, run);
      if (run.phase === "dispatched") this.effects.push(dispatchEffect(box.state, run));
      if (run.claim && !this.#lives(run)) this.#expire(box, run);
      if (run.phase === "waiting") this.#queueAgain(run.issueId!, entry);
      if (run.holdsIssue) this.locks.assertHolder(run.issueId!, entry);
    }
    for (const wait of box.state.waits)
      this.#queueAgain(wait.issueId, { ...entryOf(box.state, wait), runId: wait.runId });
    this.#releaseOwed(box.state.agent.id);
  }

  #decide(state: AgentState, delivery: Delivery, held: ReadonlySet<string>): Decided {
    const locks = new Map<string, LockOutcome>();
    const inputs: Inputs = {
      ...inputsOf({ issues: this.issues, company: { status: this.companyStatus } }),
      ...this.#sameness(delivery),
      ...this.#books(state, delivery),
      locks,
    };
    for (let pass = 0; pass < 50; pass += 1) {
      const decision = decide(state, delivery, inputs);
      const again = decide(state, delivery, inputs);
      invariant(JSON.stringify(decision) === JSON.stringify(again), "deciding twice is the same");
      if (decision.kind === "decided") return decision;
      for (const { issueId, runId, requestId, requestedAtMs } of decision.locks) {
        const place = { requestId, requestedAtMs, sequence: delivery.sequence };
        const entry = { ...entryOf(state, { id: runId, ...place }), ...place };
        if (held.has(issueId)) this.#repair(issueId);
        const { outcome, replaced } = this.locks.acquire(issueId, entry);
        if (replaced) this.#grant(issueId, replaced, null);
        locks.set(runId, outcome);
      }
    }
    invariant(false, "a decision keeps asking for locks", { delivery });
  }

  #books(state: AgentState, { message }: Delivery): Pick<Inputs, "taskSession" | "costKnown"> {
    const { costs, sessions } = this.store.books;
    if (message.kind === "cost")
      return { taskSession: null, costKnown: costs.has(message.body.id) };
    if (message.kind !== "wake") return { taskSession: null, costKnown: false };
    const taskKey = taskKeyOf(message.body.contextSnapshot ?? {}, message.body.payload ?? {});
    const key = `${state.agent.id} ${sessionKey(state.agent.adapterType, taskKey ?? "")}`;
    return { taskSession: sessions.get(key) ?? null, costKnown: false };
  }

  #sameness({ message, agentId }: Delivery): Pick<Inputs, "earlier" | "keyOwner"> {
    if (message.kind !== "wake") return { earlier: null, keyOwner: null };
    const { id, idempotencyKey } = message.body;
    const row = this.store.verdicts.get(`${agentId} ${id ?? ""}`);
    const owner = [...this.store.verdicts.values()].find(
      (other) => other["agentId"] === agentId && other["idempotencyKey"] === idempotencyKey,
    );
    const verdict = owner?.["verdict"] as Inputs["earlier"] | undefined;
    return {
      earlier: (row?.["verdict"] as Inputs["earlier"] | undefined) ?? null,
      keyOwner: idempotencyKey && verdict ? { verdict, run: verdict.run ?? null } : null,
    };
  }

  #isAlive(issueId: string, holder: LockEntry): boolean {
    const run = this.store.runs.get(holder.runId);
    if (run?.["issueId"] === issueId && (run["holdsIssue"] || run["phase"] === "waiting"))
      return true;
    const wake = this.store.wakes.get(holder.requestId);
    if (wake?.["status"] === "deferred_issue_execution" && wake["issueId"] === issueId) return true;
    return this.#box(holder.agentId).cursor < holder.sequence;
  }

  #checkRepeat(box: Box, { message }: Delivery, decided: Decided): void {
    // What an agent says of itself has no number: said again it is written again, and says the same.
    if (message.kind === "run.reported") return;
    if (!message.kind.startsWith("run.") || !this.#committed.has(JSON.stringify(message))) return;
    invariant(decided.rows.length === 0, "a repeated report writes nothing", { message });
    invariant(decided.state === box.state, "a repeated report changes nothing", { message });
    invariant(
      decided.effects.every(({ kind }) => kind === "answer"),
      "a repeated report is only answered",
      { message },
    );
  }

  #checkState({ state, unaware }: Box): void {
    const slots = state.runs.filter(hasSlot).length;
    invariant(slots <= state.policy.maxConcurrentRuns, "slots within maxConcurrentRuns");
    const ready = state.runs.some((run) => run.phase === "queued" && !isDelayed(run));
    invariant(
      !ready || unaware || freeSlots(state) === 0,
      "no run that is ready is queued beside a free slot",
    );
    const delays = state.runs.filter(isDelayed).map(({ notBeforeMs }) => notBeforeMs!);
    const { nextRetryAtMs } = state.agent;
    invariant(
      delays.length === 0 || (nextRetryAtMs !== null && nextRetryAtMs <= Math.min(...delays)),
      "the agent wakes no later than the earliest of its delayed runs",
    );
    // A queue that waits for its company sets the same timer.
    const waits = state.runs.some(({ phase }) => phase === "queued");
    invariant(nextRetryAtMs === null || waits, "no timer without a queued run");
    const gone = state.agent.deletedAtMs !== null;
    const lives = state.runs.length + state.waits.length > 0;
    invariant(!gone || !lives, "nothing lives of an agent that is gone");
    const cancelled = state.runs.filter(({ cancel }) => cancel !== null);
    invariant(
      cancelled.every(({ phase }) => phase === "cancelling"),
      "a run that is to end never starts again",
    );
    const issues = state.waits.map(({ issueId }) => issueId);
    invariant(new Set(issues).size === issues.length, "one wait per issue");
  }

  #lives = (run: RunState): boolean =>
    this.runners.claims.some(
      ({ claimId, phase, unanswered }) =>
        claimId === run.claim?.claimId && (phase !== "over" || unanswered !== null),
    );

  #expire(box: Box, run: RunState): void {
    const { claimId } = run.claim!;
    const body = { runId: run.id, attempt: run.attempt, claimId };
    this.send(box.state.agent.id, { kind: "expired", body });
  }

  #queueAgain(issueId: string, entry: LockEntry): void {
    const { outcome, replaced } = this.locks.acquire(issueId, entry);
    this.#grant(issueId, outcome === "held" ? entry : replaced, null);
  }

  /** The store is the last word on who holds an issue. */
  #repair(issueId: string): void {
    for (const { state } of this.boxes)
      for (const run of state.runs)
        if (run.holdsIssue && run.issueId === issueId)
          this.locks.assertHolder(issueId, entryOf(state, run));
  }

  #releaseOwed(agentId: string): void {
    const applied = { generation: 1, sequence: this.#box(agentId).cursor };
    const release = (
      issueId: unknown,
      runId: string,
      owner: "run" | "wake",
      id: unknown,
      isOver = true,
    ): void =>
      void this.effects.push({
        kind: "release",
        companyId,
        issueId: String(issueId),
        runId,
        owner,
        ownerId: String(id),
        notAfter: isOver ? null : applied,
      });
    for (const run of this.store.runs.values())
      if (run["agentId"] === agentId && run["owesRelease"] === true && run["issueId"] !== null)
        release(run["issueId"], String(run["id"]), "run", run["id"], run["phase"] === "over");
    for (const wake of this.store.wakes.values())
      if (wake["agentId"] === agentId && wake["owesRelease"] === true) {
        const runId = runIdOfWake(companyId, agentId, String(wake["wakeId"]));
        release(wake["issueId"], runId, "wake", wake["id"]);
      }
  }

  /** Tells the new holder; then the mark of what was owed goes. */
  #grant(
    issueId: string,
    to: LockEntry | null,
    owed: Extract<Effect, { kind: "release" }> | null,
  ): void {
    if (to) this.#sendGrant(to.agentId, issueId, to.runId, to.requestId);
    if (!owed) return;
    const rows = owed.owner === "run" ? this.store.runs : this.store.wakes;
    const row = rows.get(owed.ownerId);
    if (row) rows.set(owed.ownerId, { ...row, owesRelease: false });
  }
  #sendGrant(agentId: string, issueId: string, runId: string, wakeId: string): void {
    this.send(agentId, { kind: "grant", body: { issueId, runId, wakeId } });
  }
  #box(agentId: string): Box {
    const box = this.boxes.find(({ state }) => state.agent.id === agentId);
    invariant(box, "every agent has a mailbox", { agentId });
    return box;
  }
}

/** Effects that nobody in this world acts on would only dilute a random choice. */
const isActedOn = ({ kind }: Effect): boolean =>
  kind !== "announce" && kind !== "reply" && kind !== "set-timer" && kind !== "control";

const entryOf = (
  { agent }: AgentState,
  of: {
    id?: string;
    wakeRequestId?: string;
    requestId?: string;
    createdAtMs?: number;
    requestedAtMs?: number;
    position?: { sequence: number };
  },
): LockEntry => ({
  runId: of.id ?? "",
  requestId: of.requestId ?? of.wakeRequestId ?? "",
  companyId: agent.companyId,
  agentId: agent.id,
  partition: agent.partition,
  generation: 1,
  sequence: of.position?.sequence ?? 0,
  requestedAtMs: of.requestedAtMs ?? of.createdAtMs ?? 0,
});

/** Whoever mutates what it was given breaks here. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
  return value;
}
