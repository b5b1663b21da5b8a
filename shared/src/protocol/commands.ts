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
/** pause, resume, terminate. */
export const agentCommandSchema = z.object({ reason: z.string().max(500).nullish(), ...actor });

/** New configuration of an agent; what is absent stays. The gateway has validated adapter and company. */
export const configureSchema = z.object({
  name: z.string().min(1).max(200).optional(),
  adapterType: z.string().min(1).max(64).optional(),
  adapterConfig: z.record(z.string(), z.unknown()).optional(),
  runtimeConfig: z.record(z.string(), z.unknown()).optional(),
  ...actor,
});

/** A timer came due. `dueAtMs` is the moment it was due, not the moment it was noticed. */
export const timerSchema = z.object({ id: z.string().max(128), dueAtMs: z.number().int() });

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
export type Configure = z.infer<typeof configureSchema>;
export type TimerDue = z.infer<typeof timerSchema>;
export type Grant = z.infer<typeof grantSchema>;
export type Expired = z.infer<typeof expiredSchema>;
