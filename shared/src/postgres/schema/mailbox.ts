/** Ownership of partitions, the generation of the stream, what could not be decided, what is owed. */
import { sql } from "drizzle-orm";
import { bigint, bigserial, index, integer, pgTable, text, uuid } from "drizzle-orm/pg-core";
import { at, createdAt, json } from "./columns.js";

/** One row per actor host; alive while `lease_until` is in the future (the database's clock). */
export const hosts = pgTable("hosts", {
  id: uuid("id").primaryKey(),
  leaseUntil: at("lease_until").notNull(),
  version: text("version").notNull(),
  startedAt: at("started_at").notNull().defaultNow(),
});

export const partitions = pgTable("partitions", {
  partition: integer("partition").primaryKey(),
  owner: uuid("owner"),
  /** Raised with every change of owner: the fencing token of all that is written for the partition. */
  epoch: bigint("epoch", { mode: "number" }).notNull().default(0),
  /** The generation whose stream the cursor counts in. */
  generation: integer("generation").notNull().default(0),
  /** The last sequence applied; 0: none yet, read from the first message. */
  cursorSeq: bigint("cursor_seq", { mode: "number" }).notNull().default(0),
  /** The timestamp of that message in nanoseconds: with it the message at the cursor is a sentinel. */
  cursorNs: bigint("cursor_ns", { mode: "bigint" })
    .notNull()
    .default(sql`0`),
  /** After a new generation: messages up to here (both) were applied before it and are skipped. */
  skipSeq: bigint("skip_seq", { mode: "number" }).notNull().default(0),
  skipNs: bigint("skip_ns", { mode: "bigint" })
    .notNull()
    .default(sql`0`),
});

/** One row: facts about the whole stream. */
export const mailboxState = pgTable("mailbox_state", {
  id: integer("id").primaryKey(),
  partitionCount: integer("partition_count").notNull(),
  generation: integer("generation").notNull().default(1),
  /** The topology keeper: elected by this row. */
  keeper: uuid("keeper"),
  keeperUntil: at("keeper_until"),
  /** Services that know at least so many migrations may run on this schema (`postgres/migrate.ts`). */
  schemaOldest: integer("schema_oldest").notNull().default(1),
  /** What messages between services look like now (`protocol/version.ts`). */
  protocol: integer("protocol").notNull().default(1),
});

export const deadLetters = pgTable(
  "dead_letters",
  {
    id: bigserial("id", { mode: "number" }).primaryKey(),
    companyId: uuid("company_id"),
    agentId: uuid("agent_id"),
    partition: integer("partition").notNull(),
    generation: integer("generation").notNull(),
    streamSeq: bigint("stream_seq", { mode: "number" }).notNull(),
    kind: text("kind").notNull(),
    /** decode | decide | commit */
    stage: text("stage").notNull(),
    reason: text("reason").notNull(),
    /** The payload, base64, at most 64 KiB of it. */
    payloadBase64: text("payload_base64"),
    createdAt: createdAt(),
  },
  (table) => [index("dead_letters_company").on(table.companyId, table.createdAt)],
);

/** Wakes that follow from what a gateway wrote, committed with it; gone when their verdict is there. */
export const owedWakes = pgTable(
  "owed_wakes",
  {
    companyId: uuid("company_id").notNull(),
    agentId: uuid("agent_id").notNull(),
    /** Derived from cause and agent: two gateways publish the same wake. */
    wakeId: text("wake_id").primaryKey(),
    request: json("request").notNull(),
    /** W3C trace context of what the gateway was asked for; null: it had none. */
    traceparent: text("traceparent"),
    createdAt: createdAt(),
  },
  (table) => [index("owed_wakes_created").on(table.createdAt)],
);
