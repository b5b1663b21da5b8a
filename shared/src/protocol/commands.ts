/** Commands of a gateway to an agent's mailbox, and what the actor sends to itself. */
import { z } from "zod";
import { uuidSchema } from "./ids.js";

const actor = {
  actorType: z.enum(["user", "agent", "system"]).default("system"),
  actorId: z.string().max(255).nullish(),
};

/** Ends one run: a queued one at once, a running one when its process tree is dead. */
export const cancelSchema = z.object({
  runId: uuidSchema,
  /** Becomes the run's error text. */
  reason: z.string().max(500).default("Cancelled by control plane"),
  ...actor,
});
/** pause, resume, terminate, delete, approve, cancel-all; and admit: look at your queue again. */
export const agentCommandSchema = z.object({ reason: z.string().max(500).nullish(), ...actor });

/** New configuration of an agent; what is absent stays. The gateway has validated adapter and company. */
export const configureSchema = z.object({
  name: z.string().min(1).max(200).optional(),
  adapterType: z.string().min(1).max(64).optional(),
  adapterConfig: z.record(z.string(), z.unknown()).optional(),
  runtimeConfig: z.record(z.string(), z.unknown()).optional(),
  budgetMonthlyCents: z.number().int().min(0).max(2_147_483_647).optional(),
  /** What no decision looks at: columns of the agent's row that are written as they come. */
  profile: z
    .object({
      role: z.string().max(100).optional(),
      title: z.string().max(500).nullish(),
      icon: z.string().max(100).nullish(),
      reportsTo: uuidSchema.nullish(),
      capabilities: z.string().max(10_000).nullish(),
      metadata: z.record(z.string(), z.unknown()).nullish(),
      permissions: z.record(z.string(), z.unknown()).optional(),
    })
    .optional(),
  ...actor,
});

/** Forgets sessions: of one task, or (without a key) all of the agent; the agent-wide one in any case. */
export const resetSessionSchema = z.object({
  taskKey: z.string().min(1).max(512).nullish(),
  ...actor,
});

/** A cost that did not come with a run's end. `id` is the row's: a repeat writes nothing. */
export const costSchema = z.object({
  id: uuidSchema,
  issueId: uuidSchema.nullish(),
  projectId: uuidSchema.nullish(),
  goalId: uuidSchema.nullish(),
  billingCode: z.string().max(200).nullish(),
  provider: z.string().min(1).max(100),
  model: z.string().min(1).max(200),
  inputTokens: z.number().int().min(0).max(2_147_483_647).default(0),
  outputTokens: z.number().int().min(0).max(2_147_483_647).default(0),
  cachedInputTokens: z.number().int().min(0).max(2_147_483_647).default(0),
  /** 1,000 million dollars in micro-dollars, far inside what a double counts exactly. */
  costMicros: z.number().int().min(0).max(1e15),
  /** ISO 8601. */
  occurredAt: z.iso.datetime({ offset: true }),
  ...actor,
});

/** A timer came due. `dueAtMs` is the moment it was due, not the moment it was noticed. */
export const timerSchema = z.object({
  id: z.string().max(128),
  dueAtMs: z.number().int(),
  /** `heartbeat`: the agent's own timer. `retry`: a delayed run may be admitted. */
  timer: z.enum(["heartbeat", "retry"]).default("heartbeat"),
});

/** The lock of an issue was handed to this agent's waiter. */
export const grantSchema = z.object({ issueId: uuidSchema, runId: uuidSchema, wakeId: uuidSchema });

/** The owner found no living runner behind an attempt (lease gone and the guard's deadline past). */
export const expiredSchema = z.object({
  runId: uuidSchema,
  attempt: z.number().int().min(1),
  claimId: uuidSchema,
});

export type Cancel = z.infer<typeof cancelSchema>;
export type AgentCommand = z.infer<typeof agentCommandSchema>;
export type ResetSession = z.infer<typeof resetSessionSchema>;
export type Cost = z.infer<typeof costSchema>;
export type Configure = z.infer<typeof configureSchema>;
export type TimerDue = z.infer<typeof timerSchema>;
export type Grant = z.infer<typeof grantSchema>;
export type Expired = z.infer<typeof expiredSchema>;
