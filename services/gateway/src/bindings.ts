/**
 * `env` (and `headers`) of an adapter's configuration: names, plain values and references to secrets of
 * the company, in the one form that is stored. Knows no value of a secret.
 */
import type { Pool } from "@reveille/shared/postgres/pool";
import { secretRefSchema } from "@reveille/shared/protocol/secrets";
import type { SecretRef } from "@reveille/shared/protocol/secrets";
import { z } from "zod";
import type { Actor } from "./auth.js";
import { badField, forbidden, unprocessable } from "./errors.js";
import { isSensitiveName, redactedText } from "./redaction.js";

type Json = Record<string, unknown>;

const bindingSchema = z.union([
  z.string(),
  z.object({ type: z.literal("plain"), value: z.string() }),
  secretRefSchema,
]);
type Binding = Exclude<z.output<typeof bindingSchema>, string>;

const namePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Variables of one agent: far below what a process can be given. */
const bindingsMax = 500;

export interface BindingRules {
  pool: Pool;
  companyId: string;
  actor: Actor;
  /** Plain values under names that look secret are refused. */
  strict: boolean;
  /** The configuration before: an agent may keep references in it, and adds none. */
  before: unknown;
}

/**
 * The configuration with its variables in stored form.
 * @throws HttpError 400 (no map of bindings), 403 (an agent reaches for a secret), 422 (name, value, secret).
 */
export async function normalizeBindings(config: Json, rules: BindingRules): Promise<Json> {
  const refs = referencesOf(config["headers"]);
  if (!("env" in config)) {
    await requireSecrets(refs, rules);
    return config;
  }
  const parsed = z.record(z.string(), bindingSchema).safeParse(config["env"]);
  if (!parsed.success || Object.keys(parsed.data).length > bindingsMax)
    throw badField(
      ["adapterConfig", "env"],
      "adapterConfig.env must be a map of valid env bindings",
    );
  const env: Record<string, Binding> = {};
  for (const [name, given] of Object.entries(parsed.data)) {
    const binding: Binding = typeof given === "string" ? { type: "plain", value: given } : given;
    requireAllowed(name, binding, rules.strict);
    if (binding.type === "secret_ref") refs.push(binding);
    env[name] = binding;
  }
  await requireSecrets(refs, rules);
  return { ...config, env };
}

function requireAllowed(name: string, binding: Binding, strict: boolean): void {
  const shown = name.slice(0, 80);
  if (!namePattern.test(name)) throw unprocessable(`Invalid environment variable name: ${shown}`);
  if (binding.type !== "plain") return;
  if (binding.value === redactedText)
    throw unprocessable(`Refusing to persist redacted placeholder for key: ${shown}`);
  if (strict && isSensitiveName(name) && binding.value.trim() !== "")
    throw unprocessable(
      `Strict secret mode requires secret references for sensitive key: ${shown}`,
    );
}

/** Of a map of bindings, or of anything else: none. */
function referencesOf(bindings: unknown): SecretRef[] {
  if (typeof bindings !== "object" || bindings === null) return [];
  return Object.values(bindings).flatMap((binding) => {
    const read = secretRefSchema.safeParse(binding);
    return read.success ? [read.data] : [];
  });
}

/** All references of a configuration. */
export function secretReferences(config: unknown): SecretRef[] {
  const { env, headers } = (config ?? {}) as { env?: unknown; headers?: unknown };
  return [...referencesOf(env), ...referencesOf(headers)];
}

async function requireSecrets(refs: readonly SecretRef[], rules: BindingRules): Promise<void> {
  if (refs.length === 0) return;
  if (rules.actor.type === "agent") {
    const had = new Set(secretReferences(rules.before).map(({ secretId }) => secretId));
    if (refs.some(({ secretId }) => !had.has(secretId)))
      throw forbidden("Agents cannot add references to secrets");
  }
  const found = await rules.pool.query<{ id: string; versions: number[] }>(
    `select s.id, array_agg(v.version) as versions from company_secrets s
     join company_secret_versions v on v.secret_id = s.id and v.revoked_at is null
     where s.company_id = $1 and s.id = any($2::uuid[]) group by s.id`,
    [rules.companyId, refs.map(({ secretId }) => secretId)],
  );
  const versions = new Map(found.rows.map((row) => [row.id, row.versions]));
  for (const { secretId, version } of refs) {
    const known = versions.get(secretId);
    // One answer for what is not there and what is another company's.
    if (!known) throw unprocessable("Secret must belong to same company", { secretId });
    if (version !== "latest" && !known.includes(version))
      throw unprocessable("Secret version not found", { secretId, version });
  }
}
