/**
 * Wakes, runs, their events and costs. One writer: the agent's actor, which knows that what it refers to
 * exists; foreign keys would cost a look-up and a row lock each, seven times a run.
 */
import { sql } from "drizzle-orm";
import {
  bigint,
  bigserial,
  boolean,
  index,
  integer,
  pgTable,
  text,
  unique,
  uniqueIndex,
  uuid,
} from "drizzle-orm/pg-core";
import { at, createdAt, id, json, updatedAt } from "./columns.js";

export const agentWakeupRequests = pgTable(
  "agent_wakeup_requests",
  {
    id: id(),
    companyId: uuid("company_id").notNull(),
    agentId: uuid("agent_id").notNull(),
    source: text("source").notNull(),
    triggerDetail: text("trigger_detail"),
    reason: text("reason"),
    payload: json("payload"),
    status: text("status").notNull().default("queued"),
    coalescedCount: integer("coalesced_count").notNull().default(0),
    requestedByActorType: text("requested_by_actor_type"),
    requestedByActorId: text("requested_by_actor_id"),
    idempotencyKey: text("idempotency_key"),
    runId: uuid("run_id"),
    requestedAt: at("requested_at").notNull().defaultNow(),
    claimedAt: at("claimed_at"),
    finishedAt: at("finished_at"),
    error: text("error"),
    /** The publisher's wake id. */
    wakeId: text("wake_id").notNull(),
    partition: integer("partition").notNull(),
    /** Set while the wake waits for an issue. */
    issueId: uuid("issue_id"),
    taskKey: text("task_key"),
    /** The enriched context of a deferred wake: what its run will start with. */
    contextSnapshot: json("context_snapshot"),
    /** Where in the stream it stands: the order of wakes. */
    generation: integer("generation").notNull(),
    streamSeq: bigint("stream_seq", { mode: "number" }).notNull(),
    /** True while its status is deferred_issue_execution. */
    waits: boolean("waits").notNull().default(false),
    /** The lock that was granted to this wake has to be passed on. */
    owesRelease: boolean("owes_release").notNull().default(false),
    /** W3C trace context of the wake: what waits for hours still belongs to its trace. Null: it has none. */
    traceparent: text("traceparent"),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index("wakes_agent_requested").on(table.agentId, table.requestedAt),
    index("wakes_company_requested").on(table.companyId, table.requestedAt),
    // No index looks at a column that changes in the life of an ordinary wake, so that its updates stay
    // on its page (HOT); `waits` changes for deferred ones alone.
    index("wakes_waiting")
      .on(table.agentId)
      .where(sql`waits`),
    index("wakes_partition_waiting")
      .on(table.partition)
      .where(sql`waits or owes_release`),
  ],
);

export const heartbeatRuns = pgTable(
  "heartbeat_runs",
  {
    id: id(),
    companyId: uuid("company_id").notNull(),
    agentId: uuid("agent_id").notNull(),
    invocationSource: text("invocation_source").notNull().default("on_demand"),
    triggerDetail: text("trigger_detail"),
    status: text("status").notNull().default("queued"),
    startedAt: at("started_at"),
    finishedAt: at("finished_at"),
    error: text("error"),
    errorCode: text("error_code"),
    wakeupRequestId: uuid("wakeup_request_id"),
    exitCode: integer("exit_code"),
    signal: text("signal"),
    usageJson: json("usage_json"),
    resultJson: json("result_json"),
    sessionIdBefore: text("session_id_before"),
    sessionIdAfter: text("session_id_after"),
    logStore: text("log_store"),
    logRef: text("log_ref"),
    logBytes: bigint("log_bytes", { mode: "number" }),
    logSha256: text("log_sha256"),
    logCompressed: boolean("log_compressed").notNull().default(false),
    stdoutExcerpt: text("stdout_excerpt"),
    stderrExcerpt: text("stderr_excerpt"),
    externalRunId: text("external_run_id"),
    contextSnapshot: json("context_snapshot"),
    /** Below: Reveille's own. */
    issueId: uuid("issue_id"),
    taskKey: text("task_key"),
    partition: integer("partition").notNull(),
    /** queued | waiting | dispatched | running | cancelling | over */
    phase: text("phase").notNull().default("queued"),
    /** False once it is over. */
    live: boolean("live").notNull().default(true),
    /** Live and not merely queued: it has a slot, or waits at its issue's lock. */
    active: boolean("active").notNull().default(false),
    attempt: integer("attempt").notNull().default(0),
    losses: integer("losses").notNull().default(0),
    pool: text("pool").notNull().default("default"),
    claimId: uuid("claim_id"),
    runnerIncarnation: uuid("runner_incarnation"),
    runnerId: text("runner_id"),
    containment: text("containment"),
    logCut: text("log_cut"),
    dispatchedAt: at("dispatched_at"),
    cancelReason: text("cancel_reason"),
    cancelRequestedAt: at("cancel_requested_at"),
    /** True from dispatch to the end of a run with an issue: at most one per issue. */
    holdsIssue: boolean("holds_issue").notNull().default(false),
    /** The lock of its issue has to be passed on. */
    owesRelease: boolean("owes_release").notNull().default(false),
    lastEventSeq: integer("last_event_seq").notNull().default(0),
    progressSeen: integer("progress_seen").notNull().default(0),
    retryOfRunId: uuid("retry_of_run_id"),
    /** Retries before it in its chain. */
    retryNumber: integer("retry_number").notNull().default(0),
    /** It is not admitted before this moment. */
    notBefore: at("not_before"),
    /** The public key to which the claim's secrets are sealed (X25519, base64url). */
    sealKey: text("seal_key"),
    /** What was reported on the way: usage of this and of lost attempts, and what the agent itself said. */
    reported: json("reported"),
    /** The agent said that it has finished; its runner is told until it ends. */
    finishRequested: boolean("finish_requested").notNull().default(false),
    /** W3C trace context of the wake that led to it; null: it has none. */
    traceparent: text("traceparent"),
    wakeId: text("wake_id").notNull(),
    generation: integer("generation").notNull(),
    streamSeq: bigint("stream_seq", { mode: "number" }).notNull(),
    createdAt: createdAt(),
    updatedAt: updatedAt(),
  },
  (table) => [
    index("runs_agent_created").on(table.agentId, table.createdAt),
    index("runs_company_created").on(table.companyId, table.createdAt),
    // By company first: it also bounds what one company may have queued.
    index("runs_live")
      .on(table.companyId, table.agentId)
      .where(sql`live`),
    index("runs_issue")
      .on(table.issueId, table.createdAt)
      .where(sql`issue_id is not null`),
    // What reconciling looks at: never queued runs without a slot.
    index("runs_partition_active")
      .on(table.partition)
      .where(sql`active or owes_release`),
    // Postgres is the last word on the lock of an issue.
    uniqueIndex("runs_issue_holder")
      .on(table.issueId)
      .where(sql`holds_issue`),
  ],
);

export const heartbeatRunEvents = pgTable(
  "heartbeat_run_events",
  {
    id: bigserial("id", { mode: "number" }).primaryKey(),
    companyId: uuid("company_id").notNull(),
    runId: uuid("run_id").notNull(),
    agentId: uuid("agent_id").notNull(),
    seq: integer("seq").notNull(),
    eventType: text("event_type").notNull(),
    stream: text("stream"),
    level: text("level"),
    color: text("color"),
    message: text("message"),
    payload: json("payload"),
    createdAt: createdAt(),
  },
  (table) => [unique("run_events_run_seq").on(table.runId, table.seq)],
);

export const costEvents = pgTable(
  "cost_events",
  {
    id: id(),
    companyId: uuid("company_id").notNull(),
    /** Stays when its agent is deleted: spent is spent. */
    agentId: uuid("agent_id").notNull(),
    issueId: uuid("issue_id"),
    projectId: uuid("project_id"),
    goalId: uuid("goal_id"),
    /** At most one cost event per run. */
    runId: uuid("run_id").unique(),
    billingCode: text("billing_code"),
    provider: text("provider").notNull(),
    model: text("model").notNull(),
    inputTokens: integer("input_tokens").notNull().default(0),
    outputTokens: integer("output_tokens").notNull().default(0),
    cachedInputTokens: integer("cached_input_tokens").notNull().default(0),
    costCents: integer("cost_cents").notNull(),
    /** The exact cost; cents are this, rounded. */
    costMicros: bigint("cost_micros", { mode: "number" }).notNull().default(0),
    occurredAt: at("occurred_at").notNull(),
    createdAt: createdAt(),
  },
  (table) => [
    index("cost_events_company_agent").on(table.companyId, table.agentId, table.occurredAt),
    index("cost_events_company").on(table.companyId, table.occurredAt),
  ],
);
