/**
 * One try at one run, on its way: the execution that a runner pulls, the reports it sends to the
 * agent's mailbox and the answers it gets. A claim is one runner's hold on one execution: reports of
 * another claim change nothing, so a late or frozen runner cannot touch what was given to somebody else.
 */
import { z } from "zod";
import { uuidSchema } from "./ids.js";

const jsonObject = z.record(z.string(), z.unknown());

/** What a runner pulls from `rv.exec.<pool>.<company>.<run>.<attempt>` (msgpack). */
export const executionSchema = z.object({
  /** See `protocol/version.ts`; looked at before anything else of an execution. */
  protocol: z.number().int().min(1).optional(),
  companyId: uuidSchema,
  agentId: uuidSchema,
  agentName: z.string(),
  runId: uuidSchema,
  attempt: z.number().int().min(1),
  adapterType: z.string(),
  /** The agent's adapter configuration; secrets are references. */
  adapterConfig: jsonObject,
  /** The enriched wake context (`heartbeat_runs.context_snapshot`). */
  context: jsonObject,
  taskKey: z.string().nullable(),
  issueId: uuidSchema.nullable(),
  /** Of its task, or (without a task) the agent-wide one. */
  session: z
    .object({
      id: z.string().nullable(),
      params: jsonObject.nullable(),
      displayId: z.string().nullable(),
    })
    .nullable(),
  /** Where its issue's or context's project has its files; read when the execution is sent. Null: no project. */
  project: z
    .object({
      id: uuidSchema,
      /** False when the issue's overrides say so: then no workspace of the project is used. */
      useWorkspace: z.boolean(),
      /** In the order of their creation. */
      workspaces: z.array(
        z.object({
          id: uuidSchema,
          cwd: z.string().nullable(),
          repoUrl: z.string().nullable(),
          repoRef: z.string().nullable(),
          /** How the project wants it checked out; the agent's own word comes before it. Absent: as usual. */
          strategy: z.unknown().optional(),
        }),
      ),
    })
    .nullish(),
});
export type Execution = z.infer<typeof executionSchema>;

const claim = {
  runId: uuidSchema,
  attempt: z.number().int().min(1),
  claimId: uuidSchema,
  /** The runner process that holds the claim; answers go to it. */
  incarnation: uuidSchema,
};

/** `run.started`: asks for the go. The same claim gets the same answer again. */
export const runStartedSchema = z.object({
  ...claim,
  runnerId: z.string().max(200),
  /** X25519 public key, raw, base64url: there when the execution names secrets, which are sealed to it. */
  sealKey: z.string().length(43).nullish(),
});

/** One event of a run, without its number: only the owner numbers events. */
export const runEventSchema = z.object({
  eventType: z.string().min(1).max(100),
  stream: z.enum(["system", "stdout", "stderr"]).nullish(),
  level: z.enum(["debug", "info", "warn", "error"]).nullish(),
  color: z.string().max(40).nullish(),
  message: z.string().max(16_384).nullish(),
  payload: jsonObject.nullish(),
  /** When it happened, by the runner's clock; ISO 8601. */
  at: z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/, "must be an ISO 8601 time in UTC"),
});
export type RunEvent = z.infer<typeof runEventSchema>;

/** 64 events a report: a run that has more to say sends several reports. */
const events = z.array(runEventSchema).max(64);

/** 2^31 - 1: what the columns hold. */
const tokens = z.number().int().min(0).max(2_147_483_647).default(0);
export const usageSchema = z.object({
  inputTokens: tokens,
  outputTokens: tokens,
  cachedInputTokens: tokens,
});
export type Usage = z.infer<typeof usageSchema>;
/** A million dollars a run: beyond it the figure is wrong. */
const costUsd = z.number().min(0).max(1e6);

/** What an attempt has used so far: its own total, so that the latest report stands for all before it. */
export const usageSoFarSchema = z.object({
  usage: usageSchema.nullish(),
  costUsd: costUsd.nullish(),
});
export type UsageSoFar = z.infer<typeof usageSoFarSchema>;

/** `run.progress`: events on the way. `progressId` makes a repeat recognisable. */
export const runProgressSchema = z.object({
  ...claim,
  progressId: z.number().int().min(1),
  events,
  usage: usageSoFarSchema.nullish(),
});

/** What the adapter made of the process's end; the outcome is decided by the actor. */
export const runResultSchema = z.object({
  exitCode: z.number().int().nullable(),
  signal: z.string().max(20).nullable(),
  timedOut: z.boolean(),
  errorMessage: z.string().max(16_384).nullish(),
  errorCode: z.string().max(100).nullish(),
  /** The adapter could not do its work at all (nothing started, no request got through): the closing event is an `error`. */
  threw: z.boolean().nullish(),
  /** The adapter holds this failure for one that passes by itself. */
  transient: z.boolean().nullish(),
  /** Not before this moment is a retry of use; ISO 8601. */
  retryNotBefore: z.iso.datetime({ offset: true }).nullish(),
  usage: usageSchema.nullish(),
  costUsd: costUsd.nullish(),
  provider: z.string().max(100).nullish(),
  model: z.string().max(200).nullish(),
  billingType: z.enum(["api", "subscription", "unknown"]).nullish(),
  sessionId: z.string().max(512).nullish(),
  sessionParams: jsonObject.nullish(),
  sessionDisplayId: z.string().max(512).nullish(),
  clearSession: z.boolean().nullish(),
  resultJson: jsonObject.nullish(),
  summary: z.string().max(16_384).nullish(),
});
export type RunResult = z.infer<typeof runResultSchema>;

/**
 * `run.reported`: what the agent itself, or whoever works for it, told a gateway with the run's token.
 * Later reports replace the fields that they name. `final`: a run that waits for this word ends with it.
 */
export const runReportedSchema = z.object({
  runId: uuidSchema,
  attempt: z.number().int().min(1),
  final: z.boolean().default(false),
  patch: runResultSchema
    .pick({
      errorMessage: true,
      errorCode: true,
      usage: true,
      costUsd: true,
      provider: true,
      model: true,
      billingType: true,
      sessionId: true,
      sessionParams: true,
      sessionDisplayId: true,
      clearSession: true,
      resultJson: true,
      summary: true,
    })
    .partial(),
});
export type RunReported = z.infer<typeof runReportedSchema>;

/** The sealed log of an attempt. */
export const logSealSchema = z.object({
  bytes: z.number().int().min(0),
  sha256: z.string().length(64),
  /** Why bytes are missing, when any are. */
  cut: z.string().max(500).nullish(),
});
export type LogSeal = z.infer<typeof logSealSchema>;

/** `run.finished`: the tree is dead, the log is sealed. Sent again until answered. */
export const runFinishedSchema = z.object({
  ...claim,
  result: runResultSchema,
  log: logSealSchema,
  /** The last 32 KiB of each stream, as text. */
  stdoutExcerpt: z.string().max(65_536),
  stderrExcerpt: z.string().max(65_536),
  /** How the tree was held together while it ran; G3 is claimed for `cgroup` alone. */
  containment: z.enum(["cgroup", "best_effort", "in_process"]),
  /** Events not yet reported; the adapter's invocation is among them when the run was short. */
  events,
  /** Progress reports sent before; events of a progress report that was overtaken are not repeated here. */
  progressCount: z.number().int().min(0),
});

/** `run.lost`: from the guard of a dead runner, or from a runner that drains or lost its guard. */
export const runLostSchema = z.object({
  ...claim,
  reason: z.enum(["runner_gone", "guard_gone", "deadline", "drained"]),
});

export type RunStarted = z.infer<typeof runStartedSchema>;
export type RunProgress = z.infer<typeof runProgressSchema>;
export type RunFinished = z.infer<typeof runFinishedSchema>;
export type RunLost = z.infer<typeof runLostSchema>;

/** `go` and `no` answer `run.started`; the others answer the other reports. */
export const answerKinds = ["go", "no", "committed", "stale", "gone"] as const;
export const answerSchema = z.object({
  answer: z.enum(answerKinds),
  report: z.enum(["started", "progress", "finished", "lost"]),
  runId: uuidSchema,
  attempt: z.number().int(),
  claimId: uuidSchema,
  /** With `no`, `stale` and `gone`: why. */
  reason: z.string().optional(),
  /** With `go`: the run's token for the API. Never stored: answers are told, not kept. */
  token: z.string().max(2_048).optional(),
});
export type Answer = z.infer<typeof answerSchema>;
export type AnswerKind = (typeof answerKinds)[number];

/** `rv.<company>.run.<run>.control`: repeated until the report is committed. `finish`: the final word was reported. */
export const controlSchema = z.object({
  kind: z.enum(["cancel", "finish"]),
  runId: uuidSchema,
  attempt: z.number().int(),
  claimId: uuidSchema,
  reason: z.string(),
});
export type Control = z.infer<typeof controlSchema>;

/** The value of a key in `runner-leases` (JSON); the key is the incarnation. */
export const runnerLeaseSchema = z.object({
  incarnation: uuidSchema,
  runnerId: z.string(),
  pool: z.string(),
  hostname: z.string(),
  pid: z.number().int(),
  version: z.string(),
  slots: z.number().int(),
  draining: z.boolean(),
  containment: z.enum(["cgroup", "best_effort"]),
  startedAt: z.string(),
  /** The types of the adapters that it has. */
  adapters: z.array(z.string()).default([]),
  runs: z.array(z.object({ runId: uuidSchema, attempt: z.number().int(), claimId: uuidSchema })),
});
export type RunnerLease = z.infer<typeof runnerLeaseSchema>;
