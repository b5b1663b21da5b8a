/**
 * What an attempt needs before its adapter begins: secrets, configuration, workspace, environment,
 * access to the API. What cannot be had is a failed result; nothing has been started then.
 */
import type { StopLine } from "./core/stop.js";
import type { Execution, RunResult } from "@reveille/shared/protocol/execution";
import { secretRefsOf } from "@reveille/shared/protocol/secrets";
import type { NamedRef } from "@reveille/shared/protocol/secrets";
import type { AdapterWorkspace, Json } from "./adapter.js";
import { namedSecrets, runEnvironment } from "./core/environment.js";
import type { RunEnvironment } from "./core/environment.js";
import { failedResult } from "./core/outcome.js";
import { createMask } from "./secrets/mask.js";
import type { Mask } from "./secrets/mask.js";
import type { SecretSource } from "./secrets/secret-source.js";
import type { Checkout } from "./repository/checkout.js";
import { resolveWorkspace } from "./workspace/resolve-workspace.js";
import type { WorkspaceParts } from "./workspace/resolve-workspace.js";
import { contextWithWorkspace, workspaceOrder } from "./workspace/workspace-order.js";

export interface PrepareParts extends WorkspaceParts {
  apiUrl: string;
  secrets: SecretSource;
}
/** What came with the go. */
export interface Granted {
  claimId: string;
  /** For the API; null when none was issued. */
  token: string | null;
}
export interface Prepared {
  /** Secrets in place of references. */
  config: Json;
  /** The wake's context, with what the runner adds. */
  context: Json;
  workspace: AdapterWorkspace;
  /** The working tree that the workspace is, to be settled whatever comes after; null: it is none of ours. */
  checkout: Checkout | null;
  environment: RunEnvironment;
  token: string | null;
  /** Hides what the run knows and nobody else may; null when there is nothing. */
  mask: Mask | null;
  /** What is odd and ends no run. */
  warnings: string[];
}
export type Preparation = { ok: true; prepared: Prepared } | { ok: false; result: RunResult };

const unresolved = (message: string): Preparation => ({
  ok: false,
  result: failedResult(message, "secret_unresolved"),
});

/**
 * @param line its signal says when the run is to end: nothing is waited for any more.
 * @param clones whether anything is started that could work in a repository.
 */
export async function prepare(
  parts: PrepareParts,
  execution: Execution,
  { claimId, token }: Granted,
  line: StopLine,
  clones: boolean,
): Promise<Preparation> {
  const { files, inherited, apiUrl, workDir, secrets } = parts;
  const refs = secretRefsOf(execution.adapterConfig);
  let values: readonly string[] = [];
  if (refs.length > 0) {
    const answer = await secrets.resolve(execution, claimId, refs, line.signal);
    if (!answer.ok) return unresolved(answer.message);
    values = answer.values;
  }
  const config = withValues(execution.adapterConfig, refs, values);
  const mask = createMask([
    ...values,
    ...(token === null ? [] : [token]),
    ...namedSecrets(config["env"]),
    ...namedSecrets(config["headers"]),
  ]);
  const order = workspaceOrder(execution, files.agentHome(workDir, execution.agentId));
  const resolved = await resolveWorkspace(parts, execution, config, order, line, clones);
  // A host may repeat in its words what it was logged in with.
  if (!resolved.ok) return mask ? mask.json(resolved) : resolved;
  const { workspace, checkout } = resolved;
  const context = contextWithWorkspace(execution.context, workspace, order.hints);
  const secretNames = new Set(refs.map(({ name }) => name));
  const own = { execution, config, context, token, secretNames };
  const environment = runEnvironment({ inherited, apiUrl, ...own });
  if (environment.unresolved !== null) {
    await checkout?.settle();
    return unresolved(
      `adapterConfig.env.${environment.unresolved.slice(0, 80)} is neither text nor a reference to a secret`,
    );
  }
  const warnings = environment.refused.map((name) => `environment variable left out: ${name}`);
  warnings.push(...resolved.warnings);
  const place = { config, context, workspace, checkout };
  return { ok: true, prepared: { ...place, environment, token, mask, warnings } };
}

/** The configuration with values in place of references; the same when there are none. */
function withValues(config: Json, refs: readonly NamedRef[], values: readonly string[]): Json {
  if (refs.length === 0) return config;
  const resolved: Record<string, Json> = {};
  for (const [at, { field, name }] of refs.entries())
    (resolved[field] ??= { ...(config[field] as Json) })[name] = values[at];
  return { ...config, ...resolved };
}
