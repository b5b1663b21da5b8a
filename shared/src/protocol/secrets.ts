/**
 * Secrets on their way to the run that may know them: the question of a runner, and the answer of an
 * actor host, sealed to the key that came with the claim. References are all that configuration holds.
 */
import { z } from "zod";
import { uuidSchema } from "./ids.js";

/** `adapterConfig.env.<NAME>` that refers to a secret of the company. */
export const secretRefSchema = z.object({
  type: z.literal("secret_ref"),
  secretId: uuidSchema,
  version: z.union([z.literal("latest"), z.number().int().min(1)]).default("latest"),
});
export type SecretRef = z.infer<typeof secretRefSchema>;

/** 100: references of one run. */
const refsMax = 100;

/** To `rv.secrets.resolve` (msgpack), as a core request. */
export const resolveSecretsSchema = z.object({
  companyId: uuidSchema,
  agentId: uuidSchema,
  runId: uuidSchema,
  attempt: z.number().int().min(1),
  claimId: uuidSchema,
  incarnation: uuidSchema,
  refs: z
    .array(secretRefSchema.omit({ type: true }))
    .min(1)
    .max(refsMax),
});
export type ResolveSecrets = z.infer<typeof resolveSecretsSchema>;

/** `sealed`: base64url; opened, it is a JSON list of the values in the order of the references. */
export const resolvedSecretsSchema = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), sealed: z.string() }),
  /** `retry`: not now (a store does not answer); else it will not get better. */
  z.object({ ok: z.literal(false), reason: z.string(), retry: z.boolean() }),
]);
export type ResolvedSecrets = z.infer<typeof resolvedSecretsSchema>;
