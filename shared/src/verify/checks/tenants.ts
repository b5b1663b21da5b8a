/** I9: whatever a row refers to belongs to the same company. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";

/** Child table, its column, parent table; both have a company. What a parent that was removed leaves is no fault. */
const references: readonly [child: string, column: string, parent: string, where?: string][] = [
  ["agent_wakeup_requests", "agent_id", "agents"],
  ["agent_wakeup_requests", "run_id", "heartbeat_runs"],
  ["agent_wakeup_requests", "issue_id", "issues"],
  ["heartbeat_runs", "agent_id", "agents"],
  ["heartbeat_runs", "wakeup_request_id", "agent_wakeup_requests"],
  ["heartbeat_runs", "issue_id", "issues"],
  ["heartbeat_runs", "retry_of_run_id", "heartbeat_runs"],
  ["heartbeat_run_events", "run_id", "heartbeat_runs"],
  ["heartbeat_run_events", "agent_id", "agents"],
  ["cost_events", "agent_id", "agents"],
  ["cost_events", "run_id", "heartbeat_runs"],
  ["cost_events", "issue_id", "issues"],
  ["cost_events", "project_id", "projects"],
  ["agent_runtime_state", "agent_id", "agents"],
  ["agent_runtime_state", "last_run_id", "heartbeat_runs"],
  ["agent_task_sessions", "agent_id", "agents"],
  ["agent_task_sessions", "last_run_id", "heartbeat_runs"],
  ["agent_api_keys", "agent_id", "agents"],
  // Somebody may ask for another company's agent; he is refused, and the verdict is his.
  ["wake_verdicts", "agent_id", "agents", "c.verdict ->> 'outcome' <> 'rejected'"],
  ["wake_verdicts", "run_id", "heartbeat_runs"],
  ["owed_wakes", "agent_id", "agents"],
  ["issues", "execution_run_id", "heartbeat_runs"],
  ["issues", "assignee_agent_id", "agents"],
  ["issues", "project_id", "projects"],
  ["issues", "parent_id", "issues"],
  ["issue_comments", "issue_id", "issues"],
  ["issue_comments", "author_agent_id", "agents"],
  ["issue_approvals", "issue_id", "issues"],
  ["issue_approvals", "approval_id", "approvals"],
  ["approval_comments", "approval_id", "approvals"],
  ["agents", "reports_to", "agents"],
  ["project_workspaces", "project_id", "projects"],
];

/** One check for each referring table, so that what was looked at is said. */
const children = [...new Set(references.map(([child]) => child))];

export const tenantChecks: readonly Check[] = children.map((child) =>
  rowCheck({
    invariant: "I9",
    title: `what ${child} refer to is of their company`,
    unit: `rows of ${child}`,
    population: child,
    violating: references
      .filter((reference) => reference[0] === child)
      .map(
        ([, column, parent, where]) =>
          `select '${column}' as reference, c.${column}::text as "refersTo", c.company_id as "companyId", p.company_id as "itsCompanyId"
           from ${child} c join ${parent} p on p.id = c.${column} where p.company_id <> c.company_id${where ? ` and ${where}` : ""}`,
      )
      .join(" union all "),
  }),
);
