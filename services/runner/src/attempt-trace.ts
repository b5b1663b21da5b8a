/**
 * The spans of one attempt: how long its execution waited for a runner, its claim, the start of its process,
 * the process, its report. Moments are noted on the way and told together at the end; an attempt that dies
 * with its runner leaves none, and the actor's spans say what became of it. Decides nothing.
 */
import type { WorkItem } from "@reveille/shared/nats/work-queue";
import type { Execution, RunResult } from "@reveille/shared/protocol/execution";
import { headers } from "@reveille/shared/protocol/headers";
import type { Clock } from "@reveille/shared/runtime/clock";
import { readTraceparent } from "@reveille/shared/runtime/tracing";
import type { Tracing } from "@reveille/shared/runtime/tracing";

type Moment = "answered" | "started" | "executed";

export interface AttemptTrace {
  /** Contexts for what is told on the way; null: it belongs to no trace. */
  readonly claim: string | null;
  readonly process: string | null;
  readonly report: string | null;
  /** For the process, whose own spans then stand under its span here: `TRACEPARENT`. */
  readonly environment: Readonly<Record<string, string>>;
  note(moment: Moment): void;
  /** It is over: tells everything. */
  over(how: string, result?: RunResult): void;
}

export interface AttemptTraceOptions {
  tracing: Tracing;
  clock: Clock;
  item: WorkItem;
  execution: Execution;
  claimId: string;
}

export function traceAttempt(options: AttemptTraceOptions): AttemptTrace {
  const { tracing, clock, item, claimId } = options;
  const parent = readTraceparent(item.header(headers.traceparent));
  const attempt = tracing.child(parent);
  const offsetMs = clock.wallMs() - clock.monotonicMs();
  const nowMs = (): number => clock.monotonicMs() + offsetMs;
  const arrivedMs = nowMs();
  const at: Partial<Record<Moment, number>> = {};
  const trace = {
    claim: attempt && tracing.child(attempt),
    process: attempt && tracing.named(attempt, claimId),
    report: attempt && tracing.child(attempt),
  };
  return {
    ...trace,
    environment: trace.process === null ? {} : { TRACEPARENT: trace.process },
    note: (moment) => void (at[moment] ??= nowMs()),
    over: (how, result) => {
      if (!tracing.on || attempt === null) return;
      tell(options, { ...trace, parent, attempt, at, arrivedMs, endMs: nowMs(), how }, result);
    },
  };
}

interface Told {
  parent: string | null;
  attempt: string;
  claim: string | null;
  process: string | null;
  report: string | null;
  at: Partial<Record<Moment, number>>;
  arrivedMs: number;
  endMs: number;
  how: string;
}

function tell(
  { tracing, item, execution, claimId }: AttemptTraceOptions,
  told: Told,
  result?: RunResult,
): void {
  const { attempt, at, arrivedMs, endMs } = told;
  const step = (
    name: string,
    context: string | null,
    startMs: number,
    stepEndMs: number,
    more: { attributes?: Record<string, string | number | null>; error?: string | null } = {},
  ): void => {
    if (context)
      tracing.record({ name, context, parent: attempt, startMs, endMs: stepEndMs, ...more });
  };
  const storedMs = Math.min(item.storedAtMs, arrivedMs);
  step("pool wait", tracing.child(attempt), storedMs, arrivedMs);
  step("claim", told.claim, arrivedMs, at.answered ?? endMs);
  if (at.executed !== undefined && at.answered !== undefined) {
    if (at.started !== undefined) step("start", tracing.child(attempt), at.answered, at.started);
    // What runs inside of the runner has no start of its own.
    step(
      at.started === undefined ? "adapter" : "process",
      told.process,
      at.started ?? at.answered,
      at.executed,
      {
        attributes: {
          "reveille.adapter": execution.adapterType,
          "process.exit.code": result?.exitCode ?? null,
          "reveille.signal": result?.signal ?? null,
        },
        error: result?.errorMessage ?? null,
      },
    );
    step("report", told.report, at.executed, endMs);
  }
  tracing.record({
    name: "attempt",
    context: attempt,
    parent: told.parent,
    kind: "consumer",
    startMs: storedMs,
    endMs,
    attributes: {
      "reveille.company.id": execution.companyId,
      "reveille.agent.id": execution.agentId,
      "reveille.run.id": execution.runId,
      "reveille.attempt": execution.attempt,
      "reveille.attempt.end": told.how,
      "reveille.claim.id": claimId,
      "messaging.system": "nats",
    },
    error: told.how === "lost" ? "the attempt was lost" : null,
  });
}
