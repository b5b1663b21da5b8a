// Owns one row of each referring table whose company is not that of what it refers to.
import type { Plant } from "./plants.js";

/** Tables of which the small system has no row: how one comes to be. */
const made: Readonly<Record<string, string[]>> = {
  agent_api_keys: [
    "insert into agent_api_keys (agent_id, company_id, name, key_hash) select id, company_id, 'key', 'hash' from agents limit 1",
  ],
  owed_wakes: [
    "insert into owed_wakes (company_id, agent_id, wake_id, request) select company_id, id, 'owed', '{}' from agents limit 1",
  ],
  issue_approvals: [
    "insert into approvals (company_id, type, payload) select id, 'hire', '{}' from companies limit 1",
    "insert into issue_approvals (company_id, issue_id, approval_id) select i.company_id, i.id, a.id from issues i, approvals a limit 1",
  ],
  approval_comments: [
    "insert into approvals (company_id, type, payload) select id, 'hire', '{}' from companies limit 1",
    "insert into approval_comments (company_id, approval_id, body) select company_id, id, 'text' from approvals",
  ],
  project_workspaces: [
    "insert into projects (company_id, name) select id, 'project' from companies limit 1",
    "insert into project_workspaces (company_id, project_id, name) select company_id, id, 'files' from projects",
  ],
  agents: [
    "update agents set reports_to = (select id from agents where name = 'Wide') where name = 'Narrow'",
  ],
  issues: ["update issues set assignee_agent_id = (select id from agents limit 1)"],
};

const tables = [
  "agent_wakeup_requests",
  "heartbeat_runs",
  "heartbeat_run_events",
  "cost_events",
  "agent_runtime_state",
  "agent_task_sessions",
  "agent_api_keys",
  "wake_verdicts",
  "owed_wakes",
  "issues",
  "issue_comments",
  "issue_approvals",
  "approval_comments",
  "agents",
  "project_workspaces",
];

const plantOf =
  (table: string): Plant =>
  async ({ copy }) => {
    for (const statement of made[table] ?? []) await copy.sql(statement);
    const [other] = await copy.sql<{ id: string }>(
      "insert into companies (name, issue_prefix) values ('Other', 'OTH') returning id",
    );
    const whose =
      table === "agents"
        ? "reports_to is not null"
        : table === "wake_verdicts"
          ? "verdict ->> 'outcome' <> 'rejected'"
          : "true";
    await copy.sql(
      `update ${table} set company_id = $1 where ctid = (select ctid from ${table} where ${whose} limit 1)`,
      [other!.id],
    );
    return { shows: [other!.id] };
  };

export const tenantPlants: Readonly<Record<string, Plant>> = Object.fromEntries(
  tables.map((table) => [`what ${table} refer to is of their company`, plantOf(table)]),
);
