/** What the gateway writes: companies, projects, issues, comments, activity. Actors only read it, per batch. */
import { boolean, index, integer, pgTable, text, unique, uuid } from "drizzle-orm/pg-core";
import { at, createdAt, id, json, updatedAt } from "./columns.js";

export const companies = pgTable("companies", {
  id: id(),
  name: text("name").notNull(),
  description: text("description"),
  status: text("status").notNull().default("active"),
  issuePrefix: text("issue_prefix").notNull().unique(),
  issueCounter: integer("issue_counter").notNull().default(0),
  budgetMonthlyCents: integer("budget_monthly_cents").notNull().default(0),
  spentMonthlyCents: integer("spent_monthly_cents").notNull().default(0),
  requireBoardApprovalForNewAgents: boolean("require_board_approval_for_new_agents")
    .notNull()
    .default(false),
  brandColor: text("brand_color"),
  createdAt: createdAt(),
  updatedAt: updatedAt(),
});

export const projects = pgTable(
  "projects",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    goalId: uuid("goal_id"),
    name: text("name").notNull(),
    description: text("description"),
    status: text("status").notNull().default("backlog"),
    leadAgentId: uuid("lead_agent_id"),
    targetDate: text("target_date"),
    color: text("color"),
    archivedAt: at("archived_at"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [index("projects_company").on(table.companyId)],
);

export const projectWorkspaces = pgTable(
  "project_workspaces",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    projectId: uuid("project_id")
      .notNull()
      .references(() => projects.id),
    name: text("name").notNull(),
    cwd: text("cwd"),
    repoUrl: text("repo_url"),
    repoRef: text("repo_ref"),
    metadata: json("metadata"),
    isPrimary: boolean("is_primary").notNull().default(false),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index("project_workspaces_company_project").on(table.companyId, table.projectId),
    index("project_workspaces_project_primary").on(table.projectId, table.isPrimary),
  ],
);

export const issues = pgTable(
  "issues",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    projectId: uuid("project_id"),
    goalId: uuid("goal_id"),
    parentId: uuid("parent_id"),
    title: text("title").notNull(),
    description: text("description"),
    status: text("status").notNull().default("backlog"),
    priority: text("priority").notNull().default("medium"),
    assigneeAgentId: uuid("assignee_agent_id"),
    assigneeUserId: text("assignee_user_id"),
    createdByAgentId: uuid("created_by_agent_id"),
    createdByUserId: text("created_by_user_id"),
    requestDepth: integer("request_depth").notNull().default(0),
    billingCode: text("billing_code"),
    startedAt: at("started_at"),
    completedAt: at("completed_at"),
    cancelledAt: at("cancelled_at"),
    issueNumber: integer("issue_number"),
    identifier: text("identifier"),
    hiddenAt: at("hidden_at"),
    checkoutRunId: uuid("checkout_run_id"),
    /** `execution_*` belong to the actor: set with dispatch, cleared with the run's end. */
    executionRunId: uuid("execution_run_id"),
    executionAgentNameKey: text("execution_agent_name_key"),
    executionLockedAt: at("execution_locked_at"),
    assigneeAdapterOverrides: json("assignee_adapter_overrides"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index("issues_company_assignee").on(table.companyId, table.assigneeAgentId, table.status),
    index("issues_company_assignee_user").on(table.companyId, table.assigneeUserId, table.status),
    index("issues_company_parent").on(table.companyId, table.parentId),
    index("issues_company_project").on(table.companyId, table.projectId),
    index("issues_company_status").on(table.companyId, table.status),
    unique("issues_identifier").on(table.identifier),
  ],
);

export const issueComments = pgTable(
  "issue_comments",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    issueId: uuid("issue_id")
      .notNull()
      .references(() => issues.id),
    authorAgentId: uuid("author_agent_id"),
    authorUserId: text("author_user_id"),
    body: text("body").notNull(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index("issue_comments_issue").on(table.issueId, table.createdAt),
    index("issue_comments_company").on(table.companyId),
  ],
);

export const activityLog = pgTable(
  "activity_log",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    actorType: text("actor_type").notNull().default("system"),
    actorId: text("actor_id").notNull(),
    action: text("action").notNull(),
    entityType: text("entity_type").notNull(),
    entityId: text("entity_id").notNull(),
    agentId: uuid("agent_id"),
    runId: uuid("run_id"),
    details: json("details"),
    createdAt: createdAt(),
  },
  (table) => [index("activity_log_company_created").on(table.companyId, table.createdAt)],
);
