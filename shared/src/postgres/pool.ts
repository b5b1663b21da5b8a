/**
 * Connections to Postgres. Sessions are told to give up before a lease ends: a host that freezes in
 * the middle of a transaction must not hold rows against its successor. Translates driver errors
 * into ours by SQLSTATE, never by text.
 */
import { drizzle } from "drizzle-orm/node-postgres";
import type { NodePgDatabase } from "drizzle-orm/node-postgres";
import pg from "pg";
import { RuntimeError, storeUnavailable } from "../errors.js";
import * as schema from "./schema.js";

export type Database = NodePgDatabase<typeof schema>;
export type PoolClient = pg.PoolClient;
export type Pool = pg.Pool;

/** A statement with a name: prepared once on each connection, and what a simulation of the store knows it by. */
export interface Statement {
  name: string;
  text: string;
  values?: unknown[];
}
/** The port of those who need nothing of a database but single statements; a pool is one. */
export interface Sql {
  query<Row extends object = Record<string, unknown>>(
    statement: Statement,
  ): Promise<{ rows: Row[]; rowCount: number | null }>;
}

export interface PoolOptions {
  url: string;
  /** Shown in pg_stat_activity. */
  name: string;
  /** Connections at most. */
  size: number;
  /** How long somebody waits for a connection, free or new: 5 s by default. A database that does not answer by then is reported, and asked again. */
  waitMs?: number;
  /** 2,000 ms by default: below the 3 s lease of a host. */
  idleInTransactionTimeoutMs?: number;
  /** 10 s by default; lock waits get a third of it. */
  statementTimeoutMs?: number;
  onError?: (error: Error) => void;
  /**
   * For callers whose every statement is a lookup by key of a bounded set of records: plans are made once
   * and never by a scan, so they do not depend on statistics of tables that grow from nothing.
   */
  keyedPlans?: boolean;
}

const keyedPlans =
  "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";

/** Opens a pool; connects lazily. */
export function createPool(options: PoolOptions): Pool {
  const statementTimeoutMs = options.statementTimeoutMs ?? 10_000;
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.name,
    max: options.size,
    connectionTimeoutMillis: options.waitMs ?? 5_000,
    idleTimeoutMillis: 60_000,
    statement_timeout: statementTimeoutMs,
    lock_timeout: Math.ceil(statementTimeoutMs / 3),
    idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs ?? 2_000,
    // The client's own limit, for a server that is frozen and cannot time out anything.
    query_timeout: statementTimeoutMs + 5_000,
    ...(options.keyedPlans ? { options: keyedPlans } : {}),
    keepAlive: true,
    keepAliveInitialDelayMillis: 5_000,
  });
  pool.on("error", (error: Error & { client?: unknown }) => {
    // The driver hangs the whole connection on it, statements and their values included: nothing for a log.
    delete error.client;
    options.onError?.(error);
  });
  // A session that the server ends while somebody has it, between two statements of a transaction, says so to nobody else: without a
  // listener that ends the process. Whoever has it learns it from the next statement.
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

/** Drizzle over a pool, for everything that is not the actor's batch. */
export const createDatabase = (pool: Pool): Database => drizzle(pool, { schema });

/** SQLSTATE classes and codes that say "again": connection, resources, operator, serialisation, deadlock, lock. */
const transient = /^(08|53|57|40001|40P01|55P03|25P03)/;

export type SqlFailure =
  | { kind: "transient"; code: string }
  | { kind: "unique"; constraint: string; detail: string }
  | { kind: "rejected"; code: string; message: string };

/** What a failed statement means: try again, a uniqueness that said no, or data that will never fit. */
export function sqlFailure(error: unknown): SqlFailure {
  const { code, constraint, detail, message } = rootCause(error) as {
    code?: unknown;
    constraint?: string;
    detail?: string;
    message?: string;
  };
  if (typeof code !== "string" || !/^[0-9A-Z]{5}$/.test(code))
    return { kind: "transient", code: typeof code === "string" ? code : "connection" };
  if (code === "23505")
    return { kind: "unique", constraint: constraint ?? "", detail: detail ?? "" };
  return transient.test(code)
    ? { kind: "transient", code }
    : { kind: "rejected", code, message: message ?? code };
}

/** Drizzle wraps the driver's error; its code is on the innermost cause. */
function rootCause(error: unknown): object {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return typeof at === "object" && at !== null ? at : {};
}

/** Runs a statement and turns transient failures into `StoreUnavailable`; others pass unchanged. */
export async function guarded<T>(what: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof RuntimeError) throw error;
    if (sqlFailure(error).kind === "transient")
      throw storeUnavailable(`${what}: ${(rootCause(error) as Error).message}`, error);
    throw error;
  }
}
