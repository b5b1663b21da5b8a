/**
 * One attempt at one run in this runner, from the pulled execution to the stored report:
 *
 *   claim told to the guard -> `run.started` until answered -> go: execution acknowledged -> process
 *   -> tree dead -> log sealed -> `run.finished` stored -> claim taken back from the guard, slot free
 *
 * A crash between any two steps leaves the claim with the guard, which reports it lost. An attempt
 * that is told to lose (deadline, guard gone, drain) reports `run.lost` once its tree is dead, and
 * never a result.
 */
import { newId } from "@reveille/shared/protocol/ids";
import type { Execution, RunEvent, RunResult } from "@reveille/shared/protocol/execution";
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import type { Logger } from "@reveille/shared/runtime/log";
import { runExecution } from "./execute.js";
import type { ExecuteParts } from "./execute.js";
import { failedResult } from "./core/outcome.js";
import { createStopLine } from "./core/stop.js";
import type { LostReason, Stop } from "./core/stop.js";
import type { GuardLink } from "./guard/guard-link.js";
import type { Reports } from "./reports.js";
import type { RunLog } from "./run-log.js";

export interface Attempt {
  readonly runId: string;
  readonly number: number;
  readonly claimId: string;
  /** True until the answer to `run.started` is there. */
  readonly asking: boolean;
  /** The execution came again: its sender has not seen our acknowledgement, or our sign of life. */
  again(item: WorkItem): void;
  /** Tells the server that the execution is still being looked at. */
  working(): void;
  stop(stop: Stop): void;
  /** Resolves when the slot is free. Never rejects. */
  readonly done: Promise<"ran" | "refused" | "lost">;
}

export interface AttemptParts extends Omit<ExecuteParts, "logger"> {
  incarnation: string;
  runnerId: string;
  guard: GuardLink;
  reports: Reports;
  /** The guard's deadline has passed, or the guard is gone: why nothing may start or be reported. */
  lostBy: () => LostReason | null;
  openLog: (execution: Execution) => RunLog;
  logger: Logger;
}

const excerptBytes = 32 * 1024;
/** Deliveries of one execution that are remembered while it waits; further ones are only acknowledged. */
const deliveriesMax = 4;
/** Runs shorter than this tell their invocation with their end: one message less. */
const shortRunMs = 50;

export function startAttempt(parts: AttemptParts, first: WorkItem, execution: Execution): Attempt {
  const { reports, guard } = parts;
  const { companyId, agentId, runId } = execution;
  const claim = {
    runId,
    attempt: execution.attempt,
    claimId: newId(),
    incarnation: parts.incarnation,
  };
  const logger = parts.logger.child({ runId, attempt: claim.attempt });
  const line = createStopLine();
  // More than one when it was delivered again while we waited; the newest is the one that counts, but
  // a second stored copy would stay in the queue unless each is answered.
  const items = [first];
  let asking = true;

  const ask = async (): Promise<"go" | "no" | "abandoned"> => {
    guard.claim({ companyId, agentId, ...claim, ackSubject: first.ackSubject });
    const answer = await reports.ask(execution, { ...claim, runnerId: parts.runnerId });
    asking = false;
    if (answer === "abandoned") {
      // Nobody answered in our time; whoever takes it next asks with a claim of his own.
      for (const item of items) item.nak(0);
    } else {
      for (const item of items) item.ack();
      guard.went(claim.claimId);
    }
    return answer;
  };
  const lose = async (reason: LostReason): Promise<"lost"> => {
    logger.warn({ reason }, "attempt lost");
    await reports.lost(execution, { ...claim, reason });
    guard.end(claim.claimId);
    return "lost";
  };
  const perform = async (): Promise<"ran" | "lost"> => {
    const log = parts.openLog(execution);
    const events = pendingEvents(parts, execution, claim);
    let result: RunResult;
    let containment: "cgroup" | "best_effort" | "in_process" = "in_process";
    try {
      const done = await runExecution({ ...parts, logger }, execution, log, line, events.add);
      ({ result, containment } = done);
    } catch (error) {
      logger.error({ err: error }, "the run broke in the runner");
      result = failedResult(`Runner error: ${(error as Error).message}`, "runner_error");
    }
    const reason = parts.lostBy();
    if (reason) line.ask({ kind: "lost", reason });
    if (line.stop?.kind === "lost") {
      log.cut("the attempt was lost");
      // Not waited for: the next attempt must not wait for this one's log.
      void log.seal();
      await events.flushed();
      return lose(line.stop.reason);
    }
    const [seal, progressCount] = await Promise.all([log.seal(), events.flushed()]);
    await reports.finished(execution, {
      ...claim,
      result,
      log: seal,
      stdoutExcerpt: log.tail("stdout", excerptBytes),
      stderrExcerpt: log.tail("stderr", excerptBytes),
      containment,
      events: events.rest(),
      progressCount,
    });
    guard.end(claim.claimId);
    return "ran";
  };
  const run = async (): Promise<"ran" | "refused" | "lost"> => {
    const answer = await ask();
    const reason = parts.lostBy() ?? (line.stop?.kind === "lost" ? line.stop.reason : null);
    // Also without an answer: the go may have been committed and be on its way.
    if (reason) return lose(reason);
    if (answer === "go") return perform();
    guard.end(claim.claimId);
    logger.debug({ answer }, "not to be run");
    return "refused";
  };
  return {
    runId,
    number: claim.attempt,
    claimId: claim.claimId,
    get asking() {
      return asking;
    },
    again: (redelivered) => {
      if (asking && items.length < deliveriesMax) items.push(redelivered);
      else redelivered.ack();
    },
    working: () => {
      for (const item of items) item.working();
    },
    stop: (stop) => {
      line.ask(stop);
      if (stop.kind === "lost") reports.abandon(claim.claimId);
    },
    done: run().catch((error: unknown) => {
      logger.error({ err: error }, "the attempt broke; its lease tells");
      return "lost";
    }),
  };
}

/**
 * Events on their way. The first of a run that lasts goes out as progress without being waited for;
 * whatever comes later, or early from a short run, travels with the end.
 */
function pendingEvents(
  parts: AttemptParts,
  execution: Execution,
  claim: { runId: string; attempt: number; claimId: string; incarnation: string },
) {
  let events: RunEvent[] = [];
  let progressCount = 0;
  let sending: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | null = null;
  const send = (): void => {
    timer = null;
    if (progressCount > 0 || events.length === 0) return;
    progressCount += 1;
    const sent = events;
    events = [];
    sending = parts.reports.progress(execution, {
      ...claim,
      progressId: progressCount,
      events: sent,
    });
  };
  return {
    add: (event: RunEvent): void => {
      events.push(event);
      timer ??= setTimeout(send, shortRunMs);
    },
    rest: (): RunEvent[] => events.slice(0, 64),
    flushed: async (): Promise<number> => {
      if (timer) clearTimeout(timer);
      await sending;
      return progressCount;
    },
  };
}
