/** The database schema, whole: Paperclip's tables under their names, and Reveille's own columns and tables beside them. */
export * from "./schema/tenant.js";
export * from "./schema/agents.js";
export * from "./schema/runs.js";
export * from "./schema/mailbox.js";
export * from "./schema/governance.js";
