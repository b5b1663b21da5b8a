/**
 * Would a run get its workspace here? Looks at folders, and asks repositories for their refs; makes nothing.
 * Secrets are not known to a question, so what needs them is a warning and no failure.
 */
import { statSync } from "node:fs";
import { isAbsolute } from "node:path";
import type { ProbeRequest } from "@reveille/shared/protocol/probe";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { EnvironmentCheck, Json } from "../adapter.js";
import { ownVariable } from "../core/environment.js";
import { readAddress, refFault } from "../repository/address.js";
import type { RepositoryAddress } from "../repository/address.js";
import type { RepositorySettings } from "../repository/checkout.js";
import { createGit, GitFailed } from "../repository/git.js";
import { plainProcess } from "../repository/plain-process.js";
import { readPolicy } from "../repository/policy.js";
import type { FoundCommand } from "../command-path.js";

type Workspace = NonNullable<Extract<ProbeRequest, { kind: "test" }>["workspaces"]>[number];

export interface WorkspaceCheckParts {
  clock: Clock;
  settings: RepositorySettings;
  git: FoundCommand;
  inherited: Readonly<Record<string, string | undefined>>;
}

/** The whole question has 8 s. */
const askMs = 6_000;
/** Repositories that one question asks; the first is the one that is used. */
const repositoriesMax = 3;

/** @param config as it is stored: references in place of secrets. */
export async function checkWorkspaces(
  parts: WorkspaceCheckParts,
  workspaces: readonly Workspace[],
  config: Json,
): Promise<EnvironmentCheck[]> {
  const checks: EnvironmentCheck[] = [];
  const none = { issueId: null, taskKey: null, agentId: "", runId: "" };
  const policy = readPolicy({ ...none, adapterConfig: config });
  if (!policy.ok)
    checks.push({
      code: "workspace_strategy_invalid",
      level: "error",
      message: policy.reason,
      hint: "Mend adapterConfig.workspaceStrategy, or leave it out",
    });
  const folders = workspaces.flatMap(({ cwd }) => (cwd ? [folderCheck(cwd)] : []));
  const repositories = await Promise.all(
    workspaces
      .filter(({ repoUrl }) => repoUrl)
      .slice(0, repositoriesMax)
      .map((workspace) => repositoryCheck(parts, workspace, config)),
  );
  checks.push(...folders, ...repositories);
  const usable = [...folders, ...repositories].some(({ level }) => level === "info");
  if (!usable)
    checks.push({
      code: "workspace_agent_home",
      level: workspaces.length === 0 ? "info" : "warn",
      message: "A run would work in the agent's own folder",
      hint: workspaces.length === 0 ? null : "Mend one of the project's workspaces for this runner",
    });
  return checks;
}

function folderCheck(cwd: string): EnvironmentCheck {
  const there =
    isAbsolute(cwd) &&
    !cwd.includes("\0") &&
    statSync(cwd, { throwIfNoEntry: false })?.isDirectory();
  return there
    ? { code: "workspace_folder_here", level: "info", message: `The workspace ${cwd} is here` }
    : {
        code: "workspace_folder_missing",
        level: "warn",
        message: `The workspace ${cwd} is no folder of this runner`,
        hint: "Make or mount it where this pool's runners are, or give the workspace a repoUrl",
      };
}

async function repositoryCheck(
  parts: WorkspaceCheckParts,
  { repoUrl, repoRef }: Workspace,
  config: Json,
): Promise<EnvironmentCheck> {
  const read = readAddress(repoUrl!, parts.settings.allowFile);
  const fault = read.ok ? repoRef && refFault(repoRef) : read.reason;
  if (!read.ok || fault)
    return {
      code: "workspace_repository_invalid",
      level: "error",
      message: fault || "repoUrl is wrong",
      hint: "Change the project's workspace",
    };
  if (!parts.git.ok)
    return {
      code: "workspace_git_missing",
      level: "error",
      message: "The runner has no git, so it cannot check out a repository",
      hint: "Install git where this pool's runners are, or give the workspace a folder that is there",
    };
  try {
    return await askRepository(parts, parts.git.path, read.address, repoRef, config);
  } catch (error) {
    if (!(error instanceof GitFailed)) throw error;
    return unreadable(error, config);
  }
}

/** @throws GitFailed */
async function askRepository(
  { clock, inherited }: WorkspaceCheckParts,
  path: string,
  address: RepositoryAddress,
  repoRef: string | null,
  config: Json,
): Promise<EnvironmentCheck> {
  const git = createGit({
    run: plainProcess(clock),
    path,
    inherited,
    address,
    credentials: {
      token: ownVariable(config, "REVEILLE_GIT_TOKEN"),
      username: ownVariable(config, "REVEILLE_GIT_USERNAME"),
      // A question writes no files: a key is tried by the first run.
      sshKey: null,
      knownHosts: null,
    },
    privateFolder: () => "/nonexistent",
    hostsFile: "/dev/null",
    timeoutMs: askMs,
  });
  const names = repoRef === null ? ["HEAD"] : [`refs/heads/${repoRef}`, `refs/tags/${repoRef}`];
  if (repoRef?.startsWith("refs/")) names.push(repoRef);
  const listed = await git(["ls-remote", "--quiet", "--", address.url, ...names], {
    cwd: "/",
    remote: true,
  });
  const commit = repoRef !== null && /^[0-9a-f]{7,64}$/.test(repoRef);
  return listed.trim() !== "" || commit
    ? {
        code: "workspace_repository_readable",
        level: "info",
        message: `${address.url} can be read`,
      }
    : {
        code: "workspace_ref_missing",
        level: "error",
        message: `${address.url} has not ${repoRef === null ? "a default branch" : `a branch or tag ${repoRef}`}`,
        hint: "Change the workspace's repoRef, or push something to the repository",
      };
}

const credentialNames = ["REVEILLE_GIT_TOKEN", "REVEILLE_GIT_SSH_KEY"];
function unreadable(error: GitFailed, config: Json): EnvironmentCheck {
  const env = (config["env"] ?? {}) as Record<string, unknown>;
  const secret = credentialNames.find(
    (name) => typeof env[name] === "object" && env[name] !== null,
  );
  return secret
    ? {
        code: "workspace_repository_untried",
        level: "warn",
        message: "The repository cannot be read without the agent's secret, which only a run gets",
        detail: error.message,
        hint: `Wake the agent once to try ${secret}`,
      }
    : {
        code: "workspace_repository_unreadable",
        level: "error",
        message: "The repository cannot be read from this runner",
        detail: error.message,
        hint: "Check its address and the network; for a private one store REVEILLE_GIT_TOKEN (https) or REVEILLE_GIT_SSH_KEY (ssh) as a secret in adapterConfig.env",
      };
}
