/**
 * Runners, as the actor sees them: they take stored executions, ask for a go, run, and send each
 * report until it is answered. A claim is one hold on one execution; two claims may want the same
 * attempt. Checks what only it can see: one process per (run, attempt), and who lives at the same time.
 */
import { invariant } from "@reveille/shared/errors";
import type { Execution } from "@reveille/shared/protocol/execution";
import type { Effect } from "../decision.js";
import type { MailboxMessage } from "../delivery.js";
import { claimOf, finishOf } from "./fixtures.js";

export interface Claim {
  claimId: string;
  incarnation: string;
  execution: Execution;
  phase: "asking" | "running" | "over";
  /** The last thing it said; sent again until it is answered. */
  unanswered: MailboxMessage | null;
  progress: number;
}

export type Send = (agentId: string, message: MailboxMessage) => void;

const claimFields = ({ claimId, incarnation, execution }: Claim) => ({
  claimId,
  incarnation,
  runId: execution.runId,
  attempt: execution.attempt,
});

export function createRunners(send: Send, slotsOf: (agentId: string) => number) {
  const stored = new Map<string, Execution>();
  const claims: Claim[] = [];
  const started = new Set<string>();
  const keyOf = (runId: string, attempt: number): string => `${runId} ${attempt}`;

  const say = (claim: Claim, message: MailboxMessage): void => {
    claim.unanswered = message;
    send(claim.execution.agentId, message);
  };
  const start = (claim: Claim): void => {
    const { runId, attempt, agentId, issueId } = claim.execution;
    invariant(!started.has(keyOf(runId, attempt)), "one start per (run, attempt)", {
      runId,
      attempt,
    });
    started.add(keyOf(runId, attempt));
    claim.phase = "running";
    const live = claims.filter(({ phase }) => phase === "running");
    const ofAgent = live.filter(({ execution }) => execution.agentId === agentId);
    invariant(ofAgent.length <= slotsOf(agentId), "live runs within maxConcurrentRuns", {
      agentId,
    });
    const ofIssue = live.filter(
      ({ execution }) => issueId !== null && execution.issueId === issueId,
    );
    invariant(ofIssue.length <= 1, "one live run of an issue", { issueId });
  };
  const end = (claim: Claim, message: MailboxMessage): void => {
    claim.phase = "over";
    say(claim, message);
  };

  return {
    stored,
    claims,
    store: (execution: Execution): void =>
      void stored.set(keyOf(execution.runId, execution.attempt), execution),
    withdraw: (runId: string, attempt: number): void => void stored.delete(keyOf(runId, attempt)),
    /** Takes an execution; `keep`: the acknowledgement is lost, so another runner will get it too. */
    take: (execution: Execution, keep: boolean): void => {
      const { runId, attempt } = execution;
      if (!keep) stored.delete(keyOf(runId, attempt));
      const { claimId, incarnation, runnerId } = claimOf(`${claims.length}`);
      const claim: Claim = {
        claimId,
        incarnation,
        execution,
        phase: "asking",
        unanswered: null,
        progress: 0,
      };
      claims.push(claim);
      say(claim, { kind: "run.started", body: { ...claimFields(claim), runnerId } });
    },
    hear: (answer: Extract<Effect, { kind: "answer" }>): void => {
      const claim = claims.find((other) => other.incarnation === answer.incarnation);
      if (!claim || claim.unanswered?.kind !== `run.${answer.report}`) return;
      claim.unanswered = null;
      if (claim.phase !== "asking") return;
      if (answer.answer === "go") start(claim);
      else claim.phase = "over";
    },
    progress: (claim: Claim): void => {
      claim.progress += 1;
      const event = { eventType: "adapter.invoke", at: "2026-01-01T00:00:00.000Z" };
      const body = { ...claimFields(claim), progressId: claim.progress, events: [event] };
      say(claim, { kind: "run.progress", body });
    },
    finish: (claim: Claim, exitCode: number): void =>
      end(claim, {
        kind: "run.finished",
        body: { ...claimFields(claim), ...finishOf({ exitCode }) },
      }),
    lose: (claim: Claim): void =>
      end(claim, { kind: "run.lost", body: { ...claimFields(claim), reason: "runner_gone" } }),
    /** Dies without a word: only the owner's look at the leases will find out. */
    vanish: (claim: Claim): void => {
      claim.phase = "over";
      claim.unanswered = null;
    },
    again: (claim: Claim): void => {
      if (claim.unanswered) send(claim.execution.agentId, claim.unanswered);
    },
  };
}
export type Runners = ReturnType<typeof createRunners>;
