/** Questions to a runner about its adapters, asked by a gateway as core requests (msgpack), and the answers. */
import { z } from "zod";
import { uuidSchema } from "./ids.js";

const jsonObject = z.record(z.string(), z.unknown());

export const probeRequestSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("describe") }),
  /** Would a run with this configuration work here? Nothing is started that outlives the answer. */
  z.object({
    kind: z.literal("test"),
    companyId: uuidSchema,
    adapterType: z.string().max(64),
    adapterConfig: jsonObject,
    /** Where such a run would work, first choice first; absent: nobody asks. */
    workspaces: z
      .array(
        z.object({
          cwd: z.string().nullable(),
          repoUrl: z.string().nullable(),
          repoRef: z.string().nullable(),
        }),
      )
      .max(100)
      .optional(),
  }),
]);
export type ProbeRequest = z.infer<typeof probeRequestSchema>;

export const adapterDescriptionSchema = z.object({
  type: z.string(),
  label: z.string(),
  /** JSON Schema of `adapterConfig`; null: the adapter has none. */
  configSchema: jsonObject.nullable(),
  models: z.array(z.object({ id: z.string(), label: z.string() })).default([]),
  /** For agents and people who configure it. */
  configurationDoc: z.string().nullable().default(null),
});
export type AdapterDescription = z.infer<typeof adapterDescriptionSchema>;

export const environmentCheckSchema = z.object({
  code: z.string(),
  level: z.enum(["info", "warn", "error"]),
  message: z.string(),
  detail: z.string().nullish(),
  hint: z.string().nullish(),
});
export const environmentTestSchema = z.object({
  adapterType: z.string(),
  status: z.enum(["pass", "warn", "fail"]),
  checks: z.array(environmentCheckSchema).max(50),
  /** ISO 8601. */
  testedAt: z.string(),
});
export type EnvironmentCheck = z.infer<typeof environmentCheckSchema>;
export type EnvironmentTest = z.infer<typeof environmentTestSchema>;

export const probeAnswerSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("describe"), adapters: z.array(adapterDescriptionSchema) }),
  z.object({ kind: z.literal("test"), test: environmentTestSchema }),
  z.object({ kind: z.literal("refused"), reason: z.string() }),
]);
export type ProbeAnswer = z.infer<typeof probeAnswerSchema>;
