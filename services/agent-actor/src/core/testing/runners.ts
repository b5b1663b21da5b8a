/**
 * Runners, as the actor sees them: they take stored executions, ask for a go, run, and send each
 * report until it is answered. A claim is one hold on one execution; two claims may want the same
 * attempt. Checks what only it can see: one process per (run, attempt), and who lives at the same time.
 */
import { invariant } from "@reveille/shared/errors";
import type { Execution } from "@reveille/shared/protocol/execution";
import type { Effect } from "../decision.js";
import type { MailboxMessage } from "../delivery.js";
import type { Json } from "../state.js";
import { claimOf, finishOf } from "./fixtures.js";

interface Claim {
  claimId: string;
  incarnation: string;
  execution: Execution;
  phase: "asking" | "running" | "over";
  /** The last thing it said; sent again until it is answered. */
  unanswered: MailboxMessage | null;
  progress: number;
}

type Send = (agentId: string, message: MailboxMessage) => void;

const claimFields = ({ claimId, incarnation, execution }: Claim) => ({
  claimId,
  incarnation,
  runId: execution.runId,
  attempt: execution.attempt,
});

const keyOf = (runId: string, attempt: number): string => `${runId} ${attempt}`;

export class Runners {
  /** Executions that nobody has taken, or whose acknowledgement was lost. */
  readonly stored = new Map<string, Execution>();
  readonly claims: Claim[] = [];
  readonly #started = new Set<string>();
  readonly #send: Send;
  readonly #slotsOf: (agentId: string) => number;

  constructor(send: Send, slotsOf: (agentId: string) => number) {
    this.#send = send;
    this.#slotsOf = slotsOf;
  }

  store(execution: Execution): void {
    this.stored.set(keyOf(execution.runId, execution.attempt), execution);
  }
  withdraw(runId: string, attempt: number): void {
    this.stored.delete(keyOf(runId, attempt));
  }
  /** Takes an execution; `keep`: the acknowledgement is lost, so another runner will get it too. */
  take(execution: Execution, keep: boolean): void {
    if (!keep) this.withdraw(execution.runId, execution.attempt);
    const { claimId, incarnation, runnerId } = claimOf(`${this.claims.length}`);
    const claim: Claim = {
      claimId,
      incarnation,
      execution,
      phase: "asking",
      unanswered: null,
      progress: 0,
    };
    this.claims.push(claim);
    this.#say(claim, { kind: "run.started", body: { ...claimFields(claim), runnerId } });
  }
  hear(answer: Extract<Effect, { kind: "answer" }>): void {
    const claim = this.claims.find((other) => other.incarnation === answer.incarnation);
    if (!claim || claim.unanswered?.kind !== `run.${answer.report}`) return;
    claim.unanswered = null;
    if (claim.phase !== "asking") return;
    if (answer.answer === "go") this.#start(claim);
    else claim.phase = "over";
  }
  progress(claim: Claim): void {
    claim.progress += 1;
    const event = { eventType: "adapter.invoke", at: "2026-01-01T00:00:00.000Z" };
    // A tenth of a cent with each report, so that limits are met in the middle of runs.
    const usage = { costUsd: claim.progress * 0.001 };
    const body = { ...claimFields(claim), progressId: claim.progress, events: [event], usage };
    this.#say(claim, { kind: "run.progress", body });
  }
  finish(claim: Claim, exitCode: number, timedOut = false): void {
    const body = {
      ...claimFields(claim),
      ...finishOf({ exitCode, timedOut, ...this.#saysOf(claim) }),
    };
    this.#end(claim, { kind: "run.finished", body });
  }
  lose(claim: Claim): void {
    const body = { ...claimFields(claim), reason: "runner_gone" } as const;
    this.#end(claim, { kind: "run.lost", body });
  }
  /** Dies without a word: only the owner's look at the leases will find out. */
  vanish(claim: Claim): void {
    claim.phase = "over";
    claim.unanswered = null;
  }
  again(claim: Claim): void {
    if (claim.unanswered) this.#send(claim.execution.agentId, claim.unanswered);
  }

  /** Every third claim says what it cost, some name a session, some clear it. */
  #saysOf(claim: Claim): Json {
    const at = this.claims.indexOf(claim);
    const cost = at % 3 === 0 ? { costUsd: 0.0004, usage: { inputTokens: at } } : {};
    if (at % 5 === 0) return { ...cost, sessionId: `session ${at}` };
    return at % 7 === 0 ? { ...cost, clearSession: true } : cost;
  }
  #say(claim: Claim, message: MailboxMessage): void {
    claim.unanswered = message;
    this.#send(claim.execution.agentId, message);
  }
  #end(claim: Claim, message: MailboxMessage): void {
    claim.phase = "over";
    this.#say(claim, message);
  }
  #start(claim: Claim): void {
    const { runId, attempt, agentId, issueId } = claim.execution;
    const key = keyOf(runId, attempt);
    invariant(!this.#started.has(key), "one start per (run, attempt)", { runId, attempt });
    this.#started.add(key);
    claim.phase = "running";
    const live = this.claims.filter(({ phase }) => phase === "running");
    const ofAgent = live.filter(({ execution }) => execution.agentId === agentId);
    invariant(ofAgent.length <= this.#slotsOf(agentId), "live runs within maxConcurrentRuns");
    const ofIssue = live.filter(({ execution }) => execution.issueId === issueId);
    invariant(issueId === null || ofIssue.length <= 1, "one live run of an issue", { issueId });
  }
}
