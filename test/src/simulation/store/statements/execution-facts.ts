// Owns the statement that reads what executions take from their issues and projects.
import type { Handler } from "../store.js";
import type { Tables } from "../tables.js";
import { toDriver } from "../value.js";
import { answer, listOf, sorted } from "./parameters.js";

/** As many as the statement's own limit. */
const workspacesMax = 100;

function workspacesOf(
  tables: Tables,
  companyId: string,
  projectId: string | null,
): object[] | null {
  const rows = tables.project_workspaces.where(
    (row) => row.project_id === projectId && row.company_id === companyId,
  );
  if (rows.length === 0) return null;
  return sorted(
    rows,
    (row) => row.created_at,
    (row) => row.id,
  )
    .slice(0, workspacesMax)
    .map(({ id, cwd, repo_url: repoUrl, repo_ref: repoRef, metadata }) => {
      const strategy = (metadata as Record<string, unknown> | null)?.["workspaceStrategy"];
      return { id, cwd, repoUrl, repoRef, ...(strategy === undefined ? {} : { strategy }) };
    });
}

const executionFacts: Handler = ({ tables }, values) => {
  const companyIds = listOf<string>(values, 1);
  const issueIds = listOf<string | null>(values, 2);
  const projectIds = listOf<string | null>(values, 3);
  const asked = listOf<number>(values, 0).map((at, index) => {
    const companyId = companyIds[index]!;
    const issueId = issueIds[index];
    const named = issueId ? tables.issues.get(issueId) : undefined;
    const issue = named?.company_id === companyId ? named : undefined;
    const project_id = issue?.project_id ?? projectIds[index] ?? null;
    return {
      at,
      has_issue: issue !== undefined,
      assignee_agent_id: issue?.assignee_agent_id ?? null,
      overrides: toDriver("jsonb", issue?.assignee_adapter_overrides),
      project_id,
      workspaces: workspacesOf(tables, companyId, project_id),
    };
  });
  return answer(sorted(asked, ({ at }) => at));
};

export const executionHandlers: Record<string, Handler> = { execution_facts: executionFacts };
