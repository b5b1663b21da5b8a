/**
 * Where a run works: the folders that come into question, best first, and what it gets when none of
 * them is there. Pure; whether a folder exists is asked elsewhere.
 */
import { isAbsolute } from "node:path";
import type { Execution } from "@reveille/shared/protocol/execution";
import type { AdapterWorkspace } from "../adapter.js";

/** Stands in place of a folder for a workspace that is a repository alone (Paperclip's mark). */
const repositoryOnly = "/__paperclip_repo_only__";

export interface WorkspaceHint {
  workspaceId: string;
  cwd: string | null;
  repoUrl: string | null;
  repoRef: string | null;
}
export interface WorkspaceOrder {
  /** Taken is the first whose folder exists. */
  candidates: AdapterWorkspace[];
  /** In the agent's own folder, which always exists. */
  otherwise: AdapterWorkspace;
  /** Every workspace of the project, for agents that look further. */
  hints: WorkspaceHint[];
  /** The first workspace that names a repository, to be checked out; null: none does. */
  repository: { place: Omit<AdapterWorkspace, "cwd">; repoUrl: string; strategy: unknown } | null;
}

/** @param home the agent's own folder, absolute. */
export function workspaceOrder(
  { project, session }: Pick<Execution, "project" | "session">,
  home: string,
): WorkspaceOrder {
  const projectId = project?.id ?? null;
  const rows = project?.useWorkspace ? project.workspaces : [];
  const [first] = rows;
  if (first) {
    const source = "project_primary";
    const candidates = rows.flatMap(({ id, cwd, repoUrl, repoRef }) =>
      isFolder(cwd) ? [{ cwd, source, projectId, workspaceId: id, repoUrl, repoRef }] : [],
    );
    const { id: workspaceId, repoUrl, repoRef } = first;
    return {
      candidates,
      otherwise: { cwd: home, source, projectId, workspaceId, repoUrl, repoRef },
      hints: rows.map(({ id, cwd, repoUrl: url, repoRef: ref }) => ({
        workspaceId: id,
        cwd,
        repoUrl: url,
        repoRef: ref,
      })),
      repository: repositoryOf(rows, projectId),
    };
  }
  const params = session?.params ?? {};
  const cwd = text(params["cwd"]);
  const before = {
    source: "task_session",
    projectId,
    workspaceId: text(params["workspaceId"]),
    repoUrl: text(params["repoUrl"]),
    repoRef: text(params["repoRef"]),
  };
  const none = { workspaceId: null, repoUrl: null, repoRef: null };
  return {
    candidates: isFolder(cwd) ? [{ cwd, ...before }] : [],
    otherwise: { cwd: home, source: "agent_home", projectId, ...none },
    hints: [],
    repository: null,
  };
}

function repositoryOf(
  rows: NonNullable<Execution["project"]>["workspaces"],
  projectId: string | null,
): WorkspaceOrder["repository"] {
  for (const { id, repoUrl, repoRef, strategy } of rows) {
    const url = text(repoUrl);
    if (url === null) continue;
    const found = { source: "project_checkout", projectId, workspaceId: id };
    const place = { ...found, repoUrl: url, repoRef: text(repoRef) };
    return { place, repoUrl: url, strategy };
  }
  return null;
}

/** Relative ones would be relative to the runner's own folder, which says nothing. */
const isFolder = (cwd: string | null): cwd is string =>
  cwd !== null && isAbsolute(cwd) && cwd !== repositoryOnly && !cwd.includes("\0");

const text = (value: unknown): string | null =>
  typeof value === "string" && value.trim() !== "" ? value.trim() : null;

/** The wake's context with what an agent may want to know of its place; nothing of it is stored. */
export function contextWithWorkspace(
  context: Readonly<Record<string, unknown>>,
  workspace: AdapterWorkspace,
  hints: readonly WorkspaceHint[],
): Record<string, unknown> {
  const { cwd, source, projectId, workspaceId, repoUrl, repoRef } = workspace;
  return {
    ...context,
    ...(projectId !== null && text(context["projectId"]) === null ? { projectId } : {}),
    paperclipWorkspace: { cwd, source, projectId, workspaceId, repoUrl, repoRef },
    paperclipWorkspaces: hints,
  };
}
