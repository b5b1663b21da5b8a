/**
 * What an attempt needs before its adapter begins: configuration, workspace, environment, access to the
 * API. What cannot be had is a failed result; nothing has been started then.
 */
import { existsSync, mkdirSync } from "node:fs";
import type { Execution, RunResult } from "@reveille/shared/protocol/execution";
import type { AdapterWorkspace, Json } from "./adapter.js";
import { runEnvironment } from "./core/environment.js";
import type { RunEnvironment } from "./core/environment.js";
import { failedResult } from "./core/outcome.js";

export interface PrepareParts {
  /** What every run inherits of our own environment. */
  inherited: Readonly<Record<string, string>>;
  apiUrl: string;
  workDir: string;
  /** The run's token for the API; null when none was issued. */
  token: string | null;
}
export interface Prepared {
  config: Json;
  /** The wake's context, with what the runner adds. */
  context: Json;
  workspace: AdapterWorkspace;
  environment: RunEnvironment;
  token: string | null;
}
export type Preparation = { ok: true; prepared: Prepared } | { ok: false; result: RunResult };

export async function prepare(parts: PrepareParts, execution: Execution): Promise<Preparation> {
  const environment = runEnvironment(parts.inherited, execution, parts.apiUrl);
  if (environment.unresolved !== null)
    return {
      ok: false,
      result: failedResult(
        `adapterConfig.env.${environment.unresolved} is a reference that cannot be resolved here`,
        "secret_unresolved",
      ),
    };
  const none = { projectId: null, workspaceId: null, repoUrl: null, repoRef: null };
  const cwd = home(parts.workDir, execution.agentId);
  const prepared: Prepared = {
    config: execution.adapterConfig,
    context: execution.context,
    workspace: { cwd, source: "agent_home", ...none },
    environment,
    token: parts.token,
  };
  return { ok: true, prepared };
}

/** The agent's folder. Its id is a UUID, checked when the execution was read. */
function home(workDir: string, agentId: string): string {
  const path = `${workDir}/${agentId}`;
  if (!existsSync(path)) mkdirSync(path, { recursive: true });
  return path;
}
