/**
 * One attempt at one run in this runner, from the pulled execution to the stored report:
 *
 *   claim told to the guard -> `run.started` until answered -> go: execution acknowledged -> process
 *   -> tree dead -> log sealed -> `run.finished` stored -> claim taken back from the guard, slot free
 *
 * A crash between any two steps leaves the claim with the guard, which reports it lost, or what it came
 * to if that is known by then. An attempt
 * that is told to lose (deadline, guard gone, drain) reports `run.lost` once its tree is dead, and
 * never a result.
 */
import type { Execution, RunResult } from "@reveille/shared/protocol/execution";
import { secretRefsOf } from "@reveille/shared/protocol/secrets";
import type { Failpoint } from "@reveille/shared/runtime/failpoint";
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import { runFields } from "@reveille/shared/runtime/log";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Metrics } from "@reveille/shared/runtime/metrics";
import type { Tracing } from "@reveille/shared/runtime/tracing";
import { traceAttempt } from "./attempt-trace.js";
import type { AttemptTrace } from "./attempt-trace.js";
import { runExecution } from "./execute.js";
import type { ExecuteParts, Executed, Telling } from "./execute.js";
import { createProgress } from "./progress.js";
import type { Progress } from "./progress.js";
import { failedResult } from "./core/outcome.js";
import { createStopLine } from "./core/stop.js";
import type { LostReason, Stop } from "./core/stop.js";
import type { GuardLink } from "./guard/guard-link.js";
import type { GoAnswer, Reports } from "./reports.js";
import type { RunLog } from "./run-log.js";
import type { Transcript } from "./transcript.js";
import { warningEvent } from "./warning-event.js";

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
  /** The final word on the run was reported: whoever waits for it may end. */
  finish(): void;
  /** Resolves when the slot is free. Never rejects. */
  readonly done: Promise<AttemptEnd>;
}
/** `refused`: it got no go. */
export type AttemptEnd = "ran" | "refused" | "lost";

export interface AttemptParts extends Omit<ExecuteParts, "logger"> {
  newId: () => string;
  incarnation: string;
  runnerId: string;
  guard: GuardLink;
  reports: Reports;
  /** The guard's deadline has passed, or the guard is gone: why nothing may start or be reported. */
  lostBy: () => LostReason | null;
  openLog: (execution: Execution) => RunLog;
  openTranscript: (execution: Execution) => Transcript;
  failpoint: Failpoint;
  metrics: Pick<Metrics, "observe">;
  tracing: Tracing;
  logger: Logger;
}

const excerptBytes = 32 * 1024;
/** Deliveries of one execution that are remembered while it waits; further ones are only acknowledged. */
const deliveriesMax = 4;

export const startAttempt = (parts: AttemptParts, first: WorkItem, execution: Execution): Attempt =>
  new ClaimedAttempt(parts, first, execution);

class ClaimedAttempt implements Attempt {
  readonly runId: string;
  readonly number: number;
  readonly claimId: string;
  readonly done: Promise<AttemptEnd>;
  readonly #parts: AttemptParts;
  readonly #execution: Execution;
  readonly #claim: Claim;
  readonly #logger: Logger;
  readonly #line = createStopLine();
  /**
   * More than one when it was delivered again while we waited: a second stored copy would stay in the
   * queue unless each is answered.
   */
  readonly #items: WorkItem[];
  readonly #trace: AttemptTrace;
  #result: RunResult | undefined;
  #asking = true;

  constructor(parts: AttemptParts, first: WorkItem, execution: Execution) {
    const { runId, attempt } = execution;
    this.runId = runId;
    this.number = attempt;
    this.#parts = parts;
    this.#execution = execution;
    this.#items = [first];
    this.claimId = parts.newId();
    this.#claim = { runId, attempt, claimId: this.claimId, incarnation: parts.incarnation };
    const { clock, tracing } = parts;
    const { claimId } = this;
    this.#trace = traceAttempt({ tracing, clock, item: first, execution, claimId });
    const { process: traceparent } = this.#trace;
    this.#logger = parts.logger.child({ ...runFields({ ...execution, traceparent }), claimId });
    this.done = this.#run()
      .catch((error: unknown): AttemptEnd => {
        this.#logger.error({ err: error }, "the attempt broke; its lease tells");
        return "lost";
      })
      .then((how) => {
        this.#trace.over(how, this.#result);
        return how;
      });
  }

  get asking(): boolean {
    return this.#asking;
  }

  again(item: WorkItem): void {
    if (this.#asking && this.#items.length < deliveriesMax) this.#items.push(item);
    else item.ack();
  }

  working(): void {
    for (const item of this.#items) item.working();
  }

  stop(stop: Stop): void {
    this.#line.ask(stop);
    if (stop.kind === "lost") this.#parts.reports.abandon(this.claimId);
  }

  finish(): void {
    this.#line.finish();
  }

  async #run(): Promise<AttemptEnd> {
    const answer = await this.#ask();
    const reason = this.#lostBy();
    // Also without an answer: the go may have been committed and be on its way.
    if (reason) return this.#lose(reason);
    if (answer.kind === "go") return this.#perform(answer.token);
    this.#parts.guard.end(this.claimId);
    this.#logger.debug({ answer: answer.kind }, "not to be run");
    return "refused";
  }

  async #ask(): Promise<GoAnswer> {
    const { clock, metrics, guard, reports, runnerId, secrets } = this.#parts;
    const { companyId, agentId, adapterConfig } = this.#execution;
    const { ackSubject } = this.#items[0]!;
    const { report: traceparent } = this.#trace;
    guard.claim({ companyId, agentId, ...this.#claim, traceparent, ackSubject });
    // The key goes with the claim: what is sealed to it is for this attempt alone.
    const asksSecrets = secretRefsOf(adapterConfig).length > 0;
    const askedMs = clock.monotonicMs();
    const answer = await reports.ask(this.#to(this.#trace.claim), {
      ...this.#claim,
      runnerId,
      ...(asksSecrets ? { sealKey: secrets.sealKey } : {}),
    });
    this.#asking = false;
    this.#trace.note("answered");
    const answeredSec = (clock.monotonicMs() - askedMs) / 1_000;
    if (answer.kind !== "abandoned") metrics.observe("reveille_runner_claim_seconds", answeredSec);
    if (answer.kind === "abandoned") {
      // Nobody answered in our time; whoever takes it next asks with a claim of his own.
      for (const item of this.#items) item.nak(0);
    } else {
      for (const item of this.#items) item.ack();
      guard.went(this.claimId);
    }
    return answer;
  }

  async #perform(token: string | null): Promise<AttemptEnd> {
    const { clock, reports, guard, failpoint } = this.#parts;
    failpoint("after-go");
    const execution = this.#execution;
    const log = this.#parts.openLog(execution);
    const progress = createProgress(reports, this.#to(this.#trace.process), this.#claim, clock);
    const { result, containment } = await this.#execute(token, log, progress);
    this.#result = result;
    this.#trace.note("executed");
    failpoint("after-exit");
    const reason = this.#lostBy();
    if (reason) {
      log.cut("the attempt was lost");
      // Not waited for: the next attempt must not wait for this one's log.
      void log.seal();
      await progress.close();
      return this.#lose(reason);
    }
    const [seal, told] = await Promise.all([log.seal(), progress.close()]);
    const report = {
      ...this.#claim,
      result,
      log: seal,
      stdoutExcerpt: log.tail("stdout", excerptBytes),
      stderrExcerpt: log.tail("stderr", excerptBytes),
      containment,
      ...told,
    };
    guard.ran(this.claimId, report);
    failpoint("before-report");
    await reports.finished(this.#to(this.#trace.report), report);
    failpoint("after-report");
    guard.end(this.claimId);
    return "ran";
  }

  async #execute(token: string | null, log: RunLog, telling: Progress): Promise<Executed> {
    const parts = {
      ...this.#parts,
      logger: this.#logger,
      inherited: { ...this.#parts.inherited, ...this.#trace.environment },
      onStart: (spare: boolean) => {
        this.#trace.note("started");
        this.#parts.onStart(spare);
      },
    };
    const transcript = this.#parts.openTranscript(this.#execution);
    try {
      const granted = { claimId: this.claimId, token };
      const told = this.#telling(telling, transcript);
      return await runExecution(parts, this.#execution, granted, log, this.#line, told);
    } catch (error) {
      this.#logger.error({ err: error }, "the run broke in the runner");
      const result = failedResult(`Runner error: ${(error as Error).message}`, "runner_error");
      return { result, containment: "in_process" };
    } finally {
      transcript.end();
    }
  }

  /** Progress and transcript; the first entry that is none is told to whoever wrote the adapter. */
  #telling(progress: Progress, transcript: Transcript): Telling {
    let warned = false;
    return {
      tell: (event) => progress.tell(event),
      used: (soFar) => progress.used(soFar),
      transcript: (entry) => {
        if (transcript.tell(entry) || warned) return;
        warned = true;
        const message = "the adapter told what is no entry of a transcript; it was left out";
        progress.tell(warningEvent(message, this.#parts.clock.wallMs()));
      },
    };
  }

  /** Whose mailbox a report goes to, and which trace it belongs to. */
  #to(traceparent: string | null): Execution & { traceparent: string | null } {
    return { ...this.#execution, traceparent };
  }

  #lostBy(): LostReason | null {
    const { stop } = this.#line;
    return this.#parts.lostBy() ?? (stop?.kind === "lost" ? stop.reason : null);
  }

  async #lose(reason: LostReason): Promise<AttemptEnd> {
    this.#logger.warn({ reason }, "attempt lost");
    await this.#parts.reports.lost(this.#to(this.#trace.report), { ...this.#claim, reason });
    this.#parts.guard.end(this.claimId);
    return "lost";
  }
}

interface Claim {
  runId: string;
  attempt: number;
  claimId: string;
  incarnation: string;
}
