/**
 * The lock of an issue as it stands in its bucket (JSON, key `<company>.<issue>`): who holds it and who
 * waits, in order. Actor hosts change it by compare-and-set; others only look.
 */
import { z } from "zod";

const entrySchema = z.object({
  runId: z.string(),
  requestId: z.string(),
  companyId: z.string(),
  agentId: z.string(),
  partition: z.number().int(),
  /** Where in the mailbox's stream the message stands that asked. */
  generation: z.number().int(),
  sequence: z.number().int(),
  requestedAtMs: z.number(),
});
export const lockSchema = z.object({ holder: entrySchema, waiters: z.array(entrySchema) });
export type LockEntry = z.infer<typeof entrySchema>;
export type LockValue = z.infer<typeof lockSchema>;

export const lockKey = (companyId: string, issueId: string): string => `${companyId}.${issueId}`;
