/**
 * Reads what executions take from their issues and projects, one statement for as many as are sent at
 * once. Never cached: what people change counts from the next execution on.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Execution } from "@reveille/shared/protocol/execution";
import { contextProjectId } from "../core/execution-facts.js";
import type { ExecutionFacts, ProjectWorkspace } from "../core/execution-facts.js";

/** Of one project: more than people make, few enough for one variable of a process (128 KiB). */
const workspacesMax = 100;

const statement = {
  name: "execution_facts",
  text: `select asked.at, i.id is not null as has_issue, i.assignee_agent_id, i.assignee_adapter_overrides as overrides,
      coalesce(i.project_id, asked.project_id) as project_id, w.workspaces
    from unnest($1::int[], $2::uuid[], $3::uuid[], $4::uuid[]) as asked(at, company_id, issue_id, project_id)
    left join issues i on i.id = asked.issue_id and i.company_id = asked.company_id
    left join lateral (
      select json_agg(jsonb_build_object('id', p.id, 'cwd', p.cwd, 'repoUrl', p.repo_url, 'repoRef', p.repo_ref)
          || case when p.metadata ? 'workspaceStrategy' then jsonb_build_object('strategy', p.metadata -> 'workspaceStrategy')
             else '{}'::jsonb end
          order by p.created_at, p.id) as workspaces
      from (select * from project_workspaces
        where project_id = coalesce(i.project_id, asked.project_id) and company_id = asked.company_id
        order by created_at, id limit ${workspacesMax}) p
    ) w on true
    order by asked.at`,
};

interface Row {
  has_issue: boolean;
  assignee_agent_id: string | null;
  overrides: unknown;
  project_id: string | null;
  workspaces: ProjectWorkspace[] | null;
}

/** In the order of the executions. @throws RuntimeError `StoreUnavailable`. */
export async function readExecutionFacts(
  pool: Sql,
  executions: readonly Execution[],
): Promise<ExecutionFacts[]> {
  const values = [
    executions.map((_, at) => at),
    executions.map(({ companyId }) => companyId),
    executions.map(({ issueId }) => issueId),
    executions.map(contextProjectId),
  ];
  const found = await guarded("read what executions need", () =>
    pool.query<Row>({ ...statement, values }),
  );
  return found.rows.map((row) => ({
    issue: row.has_issue
      ? { assigneeAgentId: row.assignee_agent_id, overrides: row.overrides }
      : null,
    projectId: row.project_id,
    workspaces: row.workspaces ?? [],
  }));
}
