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
export const refsMax = 100;

/** One place of an adapter's configuration that refers to a secret. */
export interface NamedRef {
  field: "env" | "headers";
  name: string;
  /** Null: it says that it is a reference, and is none that can be followed. */
  ref: SecretRef | null;
}

/** Every reference of a configuration, in its order. They count in `env` and `headers` alone. */
export function secretRefsOf(config: Readonly<Record<string, unknown>>): NamedRef[] {
  const found: NamedRef[] = [];
  for (const field of ["env", "headers"] as const) {
    const bindings = config[field];
    if (typeof bindings !== "object" || bindings === null || Array.isArray(bindings)) continue;
    for (const [name, binding] of Object.entries(bindings)) {
      if ((binding as { type?: unknown } | null)?.type !== "secret_ref") continue;
      found.push({ field, name, ref: secretRefSchema.safeParse(binding).data ?? null });
    }
  }
  return found;
}

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
  z.object({
    ok: z.literal(false),
    reason: z.string(),
    retry: z.boolean(),
    /** Which of the references is at fault, from 0; absent when it is none of them. */
    at: z.number().int().min(0).optional(),
  }),
]);
export type ResolvedSecrets = z.infer<typeof resolvedSecretsSchema>;
