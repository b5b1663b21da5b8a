/** What people decide and keep: board tokens, secrets, approvals. Written by the gateway; actors read secrets alone. */
import { index, integer, pgTable, primaryKey, text, unique, uuid } from "drizzle-orm/pg-core";
import { at, createdAt, id, json, updatedAt } from "./columns.js";
import { companies, issues } from "./tenant.js";

/** Credentials of people. Without a company: of all companies. */
export const boardTokens = pgTable(
  "board_tokens",
  {
    id: id(),
    companyId: uuid("company_id").references(() => companies.id),
    name: text("name").notNull(),
    /** sha256 of the token, hex. */
    tokenHash: text("token_hash").notNull().unique(),
    lastUsedAt: at("last_used_at"),
    expiresAt: at("expires_at"),
    revokedAt: at("revoked_at"),
    createdAt: createdAt(),
  },
  (table) => [index("board_tokens_company").on(table.companyId)],
);

export const companySecrets = pgTable(
  "company_secrets",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    name: text("name").notNull(),
    provider: text("provider").notNull().default("local_encrypted"),
    externalRef: text("external_ref"),
    latestVersion: integer("latest_version").notNull().default(1),
    description: text("description"),
    createdByAgentId: uuid("created_by_agent_id"),
    createdByUserId: text("created_by_user_id"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [unique("company_secrets_name").on(table.companyId, table.name)],
);

export const companySecretVersions = pgTable(
  "company_secret_versions",
  {
    id: id(),
    secretId: uuid("secret_id")
      .notNull()
      .references(() => companySecrets.id, { onDelete: "cascade" }),
    version: integer("version").notNull(),
    /** The value, encrypted with the master key: scheme, nonce, tag and ciphertext. */
    material: json("material").notNull(),
    /** sha256 of the value, hex: tells an unchanged value without decrypting. */
    valueSha256: text("value_sha256").notNull(),
    createdByAgentId: uuid("created_by_agent_id"),
    createdByUserId: text("created_by_user_id"),
    createdAt: createdAt(),
    revokedAt: at("revoked_at"),
  },
  (table) => [unique("company_secret_versions_version").on(table.secretId, table.version)],
);

export const approvals = pgTable(
  "approvals",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    type: text("type").notNull(),
    requestedByAgentId: uuid("requested_by_agent_id"),
    requestedByUserId: text("requested_by_user_id"),
    /** pending | revision_requested | approved | rejected | cancelled */
    status: text("status").notNull().default("pending"),
    payload: json("payload").notNull(),
    decisionNote: text("decision_note"),
    decidedByUserId: text("decided_by_user_id"),
    decidedAt: at("decided_at"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [index("approvals_company_status").on(table.companyId, table.status, table.type)],
);

export const approvalComments = pgTable(
  "approval_comments",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    approvalId: uuid("approval_id")
      .notNull()
      .references(() => approvals.id, { onDelete: "cascade" }),
    authorAgentId: uuid("author_agent_id"),
    authorUserId: text("author_user_id"),
    body: text("body").notNull(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [index("approval_comments_approval").on(table.approvalId, table.createdAt)],
);

export const issueApprovals = pgTable(
  "issue_approvals",
  {
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    issueId: uuid("issue_id")
      .notNull()
      .references(() => issues.id),
    approvalId: uuid("approval_id")
      .notNull()
      .references(() => approvals.id, { onDelete: "cascade" }),
    linkedByAgentId: uuid("linked_by_agent_id"),
    linkedByUserId: text("linked_by_user_id"),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.issueId, table.approvalId] }),
    index("issue_approvals_approval").on(table.approvalId),
  ],
);
