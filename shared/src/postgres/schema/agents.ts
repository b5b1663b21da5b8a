/** Agents and what is kept of them. Written by the gateway when an agent is new, by its actor ever after. */
import { sql } from "drizzle-orm";
import {
  bigint,
  index,
  integer,
  pgTable,
  primaryKey,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at, createdAt, emptyJson, id, json, updatedAt } from "./columns.js";
import { companies } from "./tenant.js";

export const agents = pgTable(
  "agents",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    name: text("name").notNull(),
    role: text("role").notNull().default("general"),
    title: text("title"),
    icon: text("icon"),
    status: text("status").notNull().default("idle"),
    reportsTo: uuid("reports_to"),
    capabilities: text("capabilities"),
    adapterType: text("adapter_type").notNull().default("process"),
    adapterConfig: emptyJson("adapter_config"),
    runtimeConfig: emptyJson("runtime_config"),
    budgetMonthlyCents: integer("budget_monthly_cents").notNull().default(0),
    /** Micro-dollars spent in `spendMonth`, rounded to cents; the exact figure is beside it. */
    spentMonthlyCents: integer("spent_monthly_cents").notNull().default(0),
    spentMonthlyMicros: bigint("spent_monthly_micros", { mode: "number" }).notNull().default(0),
    /** The month (UTC, `YYYY-MM`) that the spend counts; null: nothing was spent yet. */
    spendMonth: text("spend_month"),
    permissions: emptyJson("permissions"),
    lastHeartbeatAt: at("last_heartbeat_at"),
    metadata: json("metadata"),
    /** `partitionOf(id, partitions)`: lets a host find its agents by index. */
    partition: integer("partition").notNull(),
    /** When the interval timer is due next; null: no timer. */
    nextTimerAt: at("next_timer_at"),
    /** When the earliest of its delayed runs may be admitted; null: none is delayed. */
    nextRetryAt: at("next_retry_at"),
    /** Why it is paused, and since when. */
    pauseReason: text("pause_reason"),
    pausedAt: at("paused_at"),
    /** Equal failures in a row: their code and how many. */
    failureCode: text("failure_code"),
    failureCount: integer("failure_count").notNull().default(0),
    /** Asked for; it goes when its last process is dead. */
    deleteRequestedAt: at("delete_requested_at"),
    /** It is gone: nobody finds it any more, and its rows are being removed. */
    deletedAt: at("deleted_at"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index("agents_partition_retry")
      .on(table.partition, table.nextRetryAt)
      .where(sql`next_retry_at is not null`),
    index("agents_deleted")
      .on(table.deletedAt)
      .where(sql`deleted_at is not null`),
    index("agents_company_status").on(table.companyId, table.status),
    index("agents_company_reports_to").on(table.companyId, table.reportsTo),
    index("agents_partition_timer").on(table.partition, table.nextTimerAt),
  ],
);

export const agentApiKeys = pgTable(
  "agent_api_keys",
  {
    id: id(),
    agentId: uuid("agent_id")
      .notNull()
      .references(() => agents.id),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    name: text("name").notNull(),
    keyHash: text("key_hash").notNull(),
    lastUsedAt: at("last_used_at"),
    revokedAt: at("revoked_at"),
    createdAt: createdAt(),
  },
  (table) => [
    index("agent_api_keys_hash").on(table.keyHash),
    index("agent_api_keys_company_agent").on(table.companyId, table.agentId),
  ],
);

export const agentRuntimeState = pgTable(
  "agent_runtime_state",
  {
    agentId: uuid("agent_id")
      .primaryKey()
      .references(() => agents.id),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    adapterType: text("adapter_type").notNull(),
    sessionId: text("session_id"),
    stateJson: emptyJson("state_json"),
    lastRunId: uuid("last_run_id"),
    lastRunStatus: text("last_run_status"),
    totalInputTokens: bigint("total_input_tokens", { mode: "number" }).notNull().default(0),
    totalOutputTokens: bigint("total_output_tokens", { mode: "number" }).notNull().default(0),
    totalCachedInputTokens: bigint("total_cached_input_tokens", { mode: "number" })
      .notNull()
      .default(0),
    /** Micro-dollars rounded to cents; the exact figure is beside it. */
    totalCostCents: bigint("total_cost_cents", { mode: "number" }).notNull().default(0),
    totalCostMicros: bigint("total_cost_micros", { mode: "number" }).notNull().default(0),
    lastError: text("last_error"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index("agent_runtime_state_company_agent").on(table.companyId, table.agentId),
    index("agent_runtime_state_company_updated").on(table.companyId, table.updatedAt),
  ],
);

export const agentTaskSessions = pgTable(
  "agent_task_sessions",
  {
    id: id(),
    companyId: uuid("company_id")
      .notNull()
      .references(() => companies.id),
    agentId: uuid("agent_id")
      .notNull()
      .references(() => agents.id),
    adapterType: text("adapter_type").notNull(),
    taskKey: text("task_key").notNull(),
    sessionParamsJson: json("session_params_json"),
    sessionDisplayId: text("session_display_id"),
    lastRunId: uuid("last_run_id"),
    lastError: text("last_error"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    unique("agent_task_sessions_key").on(
      table.companyId,
      table.agentId,
      table.adapterType,
      table.taskKey,
    ),
    index("agent_task_sessions_company_agent").on(table.companyId, table.agentId, table.updatedAt),
    index("agent_task_sessions_company_task").on(table.companyId, table.taskKey, table.updatedAt),
  ],
);

/** Every verdict, rejections too, kept for 7 days: what makes a repeated wake id write nothing. */
export const wakeVerdicts = pgTable(
  "wake_verdicts",
  {
    agentId: uuid("agent_id").notNull(),
    /** The publisher's id, or the derived one. */
    wakeId: text("wake_id").notNull(),
    companyId: uuid("company_id").notNull(),
    verdict: json("verdict").notNull(),
    /** Set on the first wake with this key: the owner of the key. */
    idempotencyKey: text("idempotency_key"),
    runId: uuid("run_id"),
    createdAt: createdAt(),
  },
  (table) => [
    primaryKey({ columns: [table.agentId, table.wakeId] }),
    uniqueIndex("wake_verdicts_idempotency_key")
      .on(table.agentId, table.idempotencyKey)
      .where(sql`idempotency_key is not null`),
    index("wake_verdicts_created").using("brin", table.createdAt),
  ],
);
