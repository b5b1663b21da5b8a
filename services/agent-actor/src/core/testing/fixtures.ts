/** Small true-to-life values for tests of `core/`: agents, deliveries, runs. Holds no expectations. */
import { deriveId } from "@reveille/shared/protocol/ids";
import type { WakeRequest } from "@reveille/shared/protocol/wake";
import type { Delivery, Inputs, LockOutcome, MailboxMessage } from "../delivery.js";
import { nextTimerAfter, readPolicy } from "../policy.js";
import type { AgentState, AgentStatus, Json, RunPhase, RunState, WaitState } from "../state.js";

/** The same name gives the same UUID in every test. */
export const idOf = (name: string): string => deriveId("test", name);
export const companyId = idOf("company");
/** Some moment: 2026-01-01T00:00:00Z. */
export const startMs = 1_767_225_600_000;

export function agentOf(
  options: {
    name?: string;
    status?: AgentStatus;
    heartbeat?: Json;
    retry?: Json;
    partition?: number;
    budgetMonthlyCents?: number;
  } = {},
): AgentState {
  const runtimeConfig = { heartbeat: options.heartbeat ?? {}, retry: options.retry ?? {} };
  const policy = readPolicy(runtimeConfig);
  const name = options.name ?? "ada";
  return {
    agent: {
      id: idOf(name),
      companyId,
      name,
      status: options.status ?? "idle",
      adapterType: "process",
      adapterConfig: { command: "true" },
      runtimeConfig,
      partition: options.partition ?? 0,
      lastHeartbeatAtMs: null,
      nextTimerAtMs: nextTimerAfter(policy, startMs),
      nextRetryAtMs: null,
      budgetMonthlyCents: options.budgetMonthlyCents ?? 0,
      spend: { month: null, micros: 0 },
      pauseReason: null,
      failure: null,
      deleteRequestedAtMs: null,
      deletedAtMs: null,
    },
    policy,
    runs: [],
    waits: [],
    sessionId: null,
    taskSessions: new Map(),
  };
}

export function deliver(
  state: AgentState,
  message: MailboxMessage,
  place: { sequence?: number; atMs?: number; replyTo?: string | null } = {},
): Delivery {
  const sequence = place.sequence ?? 100;
  return {
    message,
    companyId: state.agent.companyId,
    agentId: state.agent.id,
    partition: state.agent.partition,
    generation: 1,
    sequence,
    atMs: place.atMs ?? startMs + sequence,
    idSeed: `1:${sequence}`,
    traceparent: null,
    replyTo: place.replyTo ?? null,
    encoding: "json",
  };
}

/** What the shell would have read: by default nothing is known and no lock was asked for. */
export function inputsOf(
  known: {
    issues?: readonly string[];
    locks?: Readonly<Record<string, LockOutcome>>;
    earlier?: Inputs["earlier"];
    keyOwner?: Inputs["keyOwner"];
    company?: Partial<Inputs["company"]>;
    taskSession?: Inputs["taskSession"];
    costKnown?: boolean;
  } = {},
): Inputs {
  const issues = (known.issues ?? []).map(
    (id) => [id, { id, companyId, projectId: null }] as const,
  );
  return {
    locks: new Map(Object.entries(known.locks ?? {})),
    issues: new Map(issues),
    company: {
      status: "active",
      liveRuns: 0,
      budgetMonthlyCents: 0,
      spentMicros: 0,
      ...known.company,
    },
    taskSession: known.taskSession ?? null,
    costKnown: known.costKnown ?? false,
    earlier: known.earlier ?? null,
    keyOwner: known.keyOwner ?? null,
  };
}

export const wakeOf = (fields: Partial<WakeRequest> = {}): MailboxMessage => ({
  kind: "wake",
  body: { id: "wake-1", source: "on_demand", ...fields },
});

export const claimOf = (name: string) => ({
  claimId: idOf(`claim ${name}`),
  incarnation: idOf(`incarnation ${name}`),
  runnerId: "runner",
  sealKey: null,
});

/** A live run in a phase, with what that phase implies. */
export function runOf(phase: RunPhase, fields: Partial<RunState> = {}): RunState {
  const started = phase === "running" || phase === "cancelling";
  const slot = started || phase === "dispatched";
  return {
    id: idOf("run"),
    wakeRequestId: idOf("request"),
    wakeId: "wake-0",
    phase,
    source: "on_demand",
    triggerDetail: null,
    context: {},
    issueId: null,
    taskKey: null,
    pool: "default",
    attempt: slot ? 1 : 0,
    losses: 0,
    claim: started ? claimOf("one") : null,
    holdsIssue: slot && (fields.issueId ?? null) !== null,
    cancel: phase === "cancelling" ? { reason: "asked for", atMs: startMs } : null,
    createdAtMs: startMs,
    updatedAtMs: startMs,
    dispatchedAtMs: slot ? startMs : null,
    startedAtMs: started ? startMs : null,
    position: { generation: 1, sequence: 1 },
    lastEventSeq: started ? 1 : 0,
    progressSeen: 0,
    sessionIdBefore: null,
    retryOfRunId: null,
    retryNumber: 0,
    notBeforeMs: null,
    reported: null,
    finishRequested: false,
    traceparent: null,
    ...fields,
  };
}

export const waitOf = (issueId: string, fields: Partial<WaitState> = {}): WaitState => ({
  requestId: idOf("waiting request"),
  wakeId: "wake-w",
  runId: idOf("waiting run"),
  issueId,
  source: "on_demand",
  triggerDetail: null,
  reason: null,
  context: { issueId },
  taskKey: issueId,
  requestedAtMs: startMs,
  position: { generation: 1, sequence: 2 },
  coalescedCount: 0,
  traceparent: null,
  ...fields,
});

/** A report's own fields, from the claim that has the go. */
export const reportOf = (run: RunState, claim = claimOf("one")) => ({
  runId: run.id,
  attempt: run.attempt,
  claimId: claim.claimId,
  incarnation: claim.incarnation,
});

export const resultOf = (fields: Json = {}) => ({
  exitCode: 0,
  signal: null,
  timedOut: false,
  ...fields,
});

/** What `run.finished` says besides the claim. */
export const finishOf = (result: Json = {}) => ({
  result: resultOf(result),
  log: { bytes: 3, sha256: "a".repeat(64) },
  stdoutExcerpt: "out",
  stderrExcerpt: "",
  containment: "cgroup" as const,
  events: [],
  progressCount: 0,
});
