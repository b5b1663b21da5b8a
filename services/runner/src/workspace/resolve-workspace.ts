/**
 * Which folder a run gets: one that is there, else a working tree of its project's repository, else the
 * agent's own. Asks the disk and git through the runner's ports.
 */
import type { Execution, RunResult } from "@reveille/shared/protocol/execution";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { AdapterWorkspace, Json } from "../adapter.js";
import type { Trees } from "../containment/tree.js";
import { ownVariable } from "../core/environment.js";
import { failedResult } from "../core/outcome.js";
import type { StopLine } from "../core/stop.js";
import type { Checkout, RepositorySettings } from "../repository/checkout.js";
import type { GitCredentials } from "../repository/git.js";
import { readPolicy } from "../repository/policy.js";
import type { RunFiles } from "../run-files.js";
import type { WorkspaceOrder } from "./workspace-order.js";

export interface WorkspaceParts {
  clock: Clock;
  files: RunFiles;
  /** What every run inherits of our own environment: git is looked for in its PATH. */
  inherited: Readonly<Record<string, string>>;
  workDir: string;
  repositories: RepositorySettings;
  trees: Trees;
  logger: Logger;
}
export type ResolvedWorkspace =
  | { ok: true; workspace: AdapterWorkspace; checkout: Checkout | null; warnings: string[] }
  | { ok: false; result: RunResult };

/**
 * @param config secrets resolved: what git logs in with is among the agent's variables.
 * @param clones false: nothing is started in the workspace, so nothing is cloned for it.
 */
export async function resolveWorkspace(
  parts: WorkspaceParts,
  execution: Execution,
  config: Json,
  order: WorkspaceOrder,
  line: StopLine,
  clones: boolean,
): Promise<ResolvedWorkspace> {
  const read = readPolicy(execution, order.repository?.strategy);
  if (!read.ok) return { ok: false, result: failedResult(read.reason, "workspace_invalid") };
  const { policy } = read;
  const repository = clones ? order.repository : null;
  if (!(policy.always && repository)) {
    const workspace = await parts.files.findWorkspace(order);
    if (workspace !== order.otherwise || !repository)
      return { ok: true, workspace, checkout: null, warnings: absence(order, workspace) };
  }
  const { files, inherited } = parts;
  const { place, repoUrl } = repository;
  const { repoRef } = place;
  const git = files.findCommand("git", "/", inherited["PATH"] ?? "");
  const opened = await files.openCheckout(
    { ...parts, settings: parts.repositories, line, gitPath: git.ok ? git.path : null },
    { execution, repoUrl, repoRef, policy, credentials: credentialsOf(config) },
  );
  if (!opened.ok) return opened;
  const { checkout } = opened;
  const workspace = { ...place, cwd: checkout.cwd };
  return { ok: true, workspace, checkout, warnings: [...checkout.warnings] };
}

function absence(order: WorkspaceOrder, workspace: AdapterWorkspace): string[] {
  if (order.candidates.length === 0 || workspace !== order.otherwise) return [];
  const whose = workspace.projectId ? "project" : "session";
  return [`no folder of the ${whose} is on this runner; it works in ${workspace.cwd}`];
}

const credentialsOf = (config: Json): GitCredentials => ({
  token: ownVariable(config, "REVEILLE_GIT_TOKEN"),
  username: ownVariable(config, "REVEILLE_GIT_USERNAME"),
  sshKey: ownVariable(config, "REVEILLE_GIT_SSH_KEY"),
  knownHosts: ownVariable(config, "REVEILLE_GIT_KNOWN_HOSTS"),
});
