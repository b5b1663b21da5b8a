/**
 * What an adapter must look like, and what its configuration schema says: said in words, for the start
 * of a runner, for the contract test and for whoever asks which adapters there are.
 */
import { z } from "zod";
import type { AdapterDescription } from "@reveille/shared/protocol/probe";
import type { Adapter, Json } from "../adapter.js";

const typePattern = /^[a-z][a-z0-9_-]{0,63}$/;
/** A description goes through the API to a form. */
const schemaCharsMax = 64 * 1024;
const modelsMax = 500;

/** Empty: it has all that the contract asks for. */
export function shapeFaults(value: unknown): string[] {
  if (typeof value !== "object" || value === null)
    return ["its default export must be an adapter (defineAdapter)"];
  const { type, label, starts, configSchema, models, configurationDoc, test, execute } =
    value as Partial<Record<keyof Adapter, unknown>>;
  const faults: string[] = [];
  const must = (holds: boolean, what: string): void => {
    if (!holds) faults.push(what);
  };
  must(
    typeof type === "string" && typePattern.test(type),
    "`type` must be lower-case letters, digits, `_` and `-`, at most 64",
  );
  must(
    typeof label === "string" && label.trim() !== "" && label.length <= 100,
    "`label` must be text of at most 100 characters",
  );
  must(starts === "processes" || starts === "nothing", '`starts` must be "processes" or "nothing"');
  must(typeof execute === "function", "`execute` must be a function");
  must(test === undefined || typeof test === "function", "`test` must be a function");
  must(
    configurationDoc === undefined || typeof configurationDoc === "string",
    "`configurationDoc` must be text",
  );
  must(models === undefined || areModels(models), "`models` must be a list of { id, label }");
  const schemaFault = configSchemaFault(configSchema);
  must(schemaFault === null, `\`configSchema\` ${schemaFault}`);
  return faults;
}

const areModels = (models: unknown): boolean =>
  z
    .array(z.object({ id: z.string(), label: z.string() }))
    .max(modelsMax)
    .safeParse(models).success;

function configSchemaFault(schema: unknown): string | null {
  if (schema === null) return null;
  if (typeof schema !== "object") return "must be a zod schema, a JSON Schema or null";
  try {
    const text = JSON.stringify(jsonSchemaOf(schema as Json | z.ZodType));
    return text.length <= schemaCharsMax ? null : `must be at most ${schemaCharsMax} characters`;
  } catch (error) {
    return `cannot be written as JSON Schema: ${(error as Error).message}`;
  }
}

/** By its marks: a package brings a zod of its own. */
const isZod = (schema: object): schema is z.ZodType => "_zod" in schema && "safeParse" in schema;

const jsonSchemaOf = (schema: Readonly<Json> | z.ZodType): Json =>
  isZod(schema)
    ? (z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as Json)
    : (schema as Json);

/** What every adapter's configuration may hold besides its own: read by the runner. */
const limits: Json = {
  timeoutSec: { type: "number", minimum: 0, description: "Wall clock; 0: the runner's limit" },
  graceSec: { type: "number", minimum: 0, description: "From SIGTERM to SIGKILL; at least 1" },
};
const ofProcesses: Json = {
  idleTimeoutSec: {
    type: "number",
    minimum: 0,
    description: "So long may a process print nothing; 0: the runner's limit",
  },
  env: {
    type: "object",
    description: "Variables: text, {type: plain, value} or {type: secret_ref, secretId, version}",
  },
};

/** What a runner says of an adapter to whoever asks. */
export function describeAdapter(adapter: Adapter): AdapterDescription {
  const { type, label, starts, configSchema, models, configurationDoc } = adapter;
  const schema = configSchema === null ? { type: "object" } : jsonSchemaOf(configSchema);
  const common = starts === "processes" ? { ...limits, ...ofProcesses } : limits;
  return {
    type,
    label,
    configSchema: { ...schema, properties: { ...(schema["properties"] as Json), ...common } },
    models: (models ?? []).map(({ id, label: name }) => ({ id, label: name })),
    configurationDoc: configurationDoc ?? null,
  };
}

/** What a zod schema finds wrong with a configuration, with the field's name; null when nothing. */
export function configFault({ configSchema }: Adapter, config: Readonly<Json>): string | null {
  if (configSchema === null || !isZod(configSchema)) return null;
  const read = configSchema.safeParse(config);
  if (read.success) return null;
  const [issue] = read.error.issues;
  return `${["adapterConfig", ...(issue?.path ?? [])].join(".")}: ${issue?.message}`;
}
