// Owns the list of simulated tables: which of the database's they are, what is unique in them, what refers to what, and what is looked up
// often. A contract test compares it with the catalogue of a real server. Knows no statement.
import * as schema from "@reveille/shared/postgres/schema";
import { columnsOf } from "./columns.js";
import type { StoredRow } from "./columns.js";
import { Table } from "./table.js";
import type { IndexSpec, Source } from "./table.js";
import type { Transaction } from "./transaction.js";

const id: readonly string[] = ["id"];
const unique = (name: string, ...columns: string[]): IndexSpec => ({ name, columns, unique: true });

export type Tables = ReturnType<typeof createTables>;

/** Empty tables. */
export function createTables(transaction: Transaction, source: Source) {
  const table = <Schema extends { $inferSelect: object }>(
    name: string,
    of: Schema,
    key: readonly string[] | IndexSpec,
    ...indexes: IndexSpec[]
  ): Table<StoredRow<Schema>> => {
    const primary = "name" in key ? key : { name: `${name}_pkey`, columns: key, unique: true };
    const columns = columnsOf(of);
    return new Table({ name, columns, indexes: [primary, ...indexes] }, transaction, source);
  };
  const tables = {
    ...tenantTables(table),
    ...agentTables(table),
    ...runTables(table),
    ...mailboxTables(table),
  };
  refer(tables);
  return tables;
}

type MakeTable = <Schema extends { $inferSelect: object }>(
  name: string,
  of: Schema,
  key: readonly string[] | IndexSpec,
  ...indexes: IndexSpec[]
) => Table<StoredRow<Schema>>;

const tenantTables = (table: MakeTable) => ({
  companies: table(
    "companies",
    schema.companies,
    id,
    unique("companies_issue_prefix_unique", "issue_prefix"),
  ),
  projects: table("projects", schema.projects, id),
  project_workspaces: table("project_workspaces", schema.projectWorkspaces, id),
  issues: table("issues", schema.issues, id, unique("issues_identifier", "identifier")),
  issue_comments: table("issue_comments", schema.issueComments, id),
  company_secrets: table(
    "company_secrets",
    schema.companySecrets,
    id,
    unique("company_secrets_name", "company_id", "name"),
  ),
  company_secret_versions: table(
    "company_secret_versions",
    schema.companySecretVersions,
    id,
    unique("company_secret_versions_version", "secret_id", "version"),
  ),
});

const agentTables = (table: MakeTable) => ({
  agents: table("agents", schema.agents, id),
  agent_api_keys: table("agent_api_keys", schema.agentApiKeys, id),
  agent_runtime_state: table("agent_runtime_state", schema.agentRuntimeState, ["agent_id"]),
  agent_task_sessions: table(
    "agent_task_sessions",
    schema.agentTaskSessions,
    id,
    unique("agent_task_sessions_key", "company_id", "agent_id", "adapter_type", "task_key"),
    { name: "of_agent", columns: ["agent_id"] },
  ),
  wake_verdicts: table(
    "wake_verdicts",
    schema.wakeVerdicts,
    unique("wake_verdicts_agent_id_wake_id_pk", "agent_id", "wake_id"),
    unique("wake_verdicts_idempotency_key", "agent_id", "idempotency_key"),
  ),
});

const runTables = (table: MakeTable) => ({
  agent_wakeup_requests: table(
    "agent_wakeup_requests",
    schema.agentWakeupRequests,
    id,
    { name: "of_agent", columns: ["agent_id"] },
    { name: "waiting", columns: ["agent_id"], where: (row) => row["waits"] === true },
    {
      name: "owed",
      columns: ["partition"],
      where: (row) => row["waits"] === true || row["owes_release"] === true,
    },
  ),
  heartbeat_runs: table(
    "heartbeat_runs",
    schema.heartbeatRuns,
    id,
    {
      name: "runs_issue_holder",
      columns: ["issue_id"],
      unique: true,
      where: (row) => row["holds_issue"] === true,
    },
    { name: "of_agent", columns: ["agent_id"] },
    { name: "live", columns: ["agent_id"], where: (row) => row["live"] === true },
    {
      name: "owed",
      columns: ["partition"],
      where: (row) => row["active"] === true || row["owes_release"] === true,
    },
  ),
  heartbeat_run_events: table(
    "heartbeat_run_events",
    schema.heartbeatRunEvents,
    id,
    unique("run_events_run_seq", "run_id", "seq"),
    { name: "of_run", columns: ["run_id"] },
  ),
  cost_events: table(
    "cost_events",
    schema.costEvents,
    id,
    unique("cost_events_run_id_unique", "run_id"),
  ),
});

const mailboxTables = (table: MakeTable) => ({
  hosts: table("hosts", schema.hosts, id),
  partitions: table("partitions", schema.partitions, ["partition"]),
  mailbox_state: table("mailbox_state", schema.mailboxState, id),
  dead_letters: table("dead_letters", schema.deadLetters, id),
  owed_wakes: table("owed_wakes", schema.owedWakes, ["wake_id"]),
});

/** Foreign keys, under the names that the migrations give them. */
function refer(tables: Omit<Tables, never>): void {
  const { companies, projects, issues, agents, company_secrets } = tables;
  const refers = (from: Table<object>, column: string, to: Table<object>): void =>
    from.refersTo(to, column, `${from.name}_${column}_${to.name}_id_fk`);
  const ofCompany: Table<object>[] = [
    projects,
    tables.project_workspaces,
    issues,
    tables.issue_comments,
    company_secrets,
    agents,
    tables.agent_api_keys,
    tables.agent_runtime_state,
    tables.agent_task_sessions,
  ];
  for (const table of ofCompany) refers(table, "company_id", companies);
  for (const table of [
    tables.agent_api_keys,
    tables.agent_runtime_state,
    tables.agent_task_sessions,
  ] as Table<object>[])
    refers(table, "agent_id", agents);
  refers(tables.project_workspaces, "project_id", projects);
  refers(tables.issue_comments, "issue_id", issues);
  refers(tables.company_secret_versions, "secret_id", company_secrets);
}
