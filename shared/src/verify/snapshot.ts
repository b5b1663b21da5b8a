/**
 * One snapshot of Postgres for all checks over rows: read only, without locks, each statement bounded in time, and each check behind a
 * savepoint, so that one which cannot be made leaves the others theirs. Knows no table.
 */
import { guarded } from "../postgres/pool.js";
import type { Pool, PoolClient } from "../postgres/pool.js";

export interface Snapshot {
  query<Row extends object>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** How many rows a table (with a condition) has; asked once. */
  count(population: string): Promise<number>;
  /** Runs a piece of work; when it fails, the snapshot is still good for others. */
  apart<T>(work: () => Promise<T>): Promise<T>;
  /** Names of the tables that there are. */
  has(table: string): Promise<boolean>;
}

/** A minute: a checker that is gone does not keep its snapshot. */
const idleMs = 60_000;
/** One that reads thousands of logs between two statements is not gone, and says so. */
const sayingMs = idleMs / 4;

/** Gives the work a snapshot. @throws RuntimeError `StoreUnavailable` when Postgres is not there. */
export async function withSnapshot<T>(
  pool: Pool,
  statementTimeoutMs: number,
  work: (snapshot: Snapshot) => Promise<T>,
): Promise<T> {
  const client = await guarded("verify", () => pool.connect());
  let broken: Error | undefined;
  const session = oneByOne(client);
  // A session that has ended shows at the next statement of a check.
  const saying = setInterval(() => {
    if (session.idle) void session.ask("select 1").catch(() => undefined);
  }, sayingMs);
  try {
    await guarded("verify", async () => {
      await session.ask("begin isolation level repeatable read read only");
      await session.ask(
        `set local statement_timeout = ${statementTimeoutMs}; set local lock_timeout = 1000;
         set local idle_in_transaction_session_timeout = ${idleMs}`,
      );
    });
    return await work(snapshotOf(session));
  } finally {
    clearInterval(saying);
    await session.ask("rollback").catch((error: Error) => (broken = error));
    client.release(broken);
  }
}

interface Session {
  readonly idle: boolean;
  readonly ask: <Row extends object>(sql: string, values?: readonly unknown[]) => Promise<Row[]>;
}
/** One statement at a time: the driver warns of a second one, and will refuse it. */
function oneByOne(client: PoolClient): Session {
  let waiting = 0;
  let last: Promise<unknown> = Promise.resolve();
  return {
    get idle() {
      return waiting === 0;
    },
    ask: <Row extends object>(sql: string, values: readonly unknown[] = []) => {
      waiting += 1;
      const asked = last
        .then(() => client.query<Row & Record<string, unknown>>(sql, [...values]))
        .finally(() => (waiting -= 1));
      last = asked.catch(() => undefined);
      return asked.then(({ rows }) => rows);
    },
  };
}

function snapshotOf({ ask: query }: Session): Snapshot {
  const counts = new Map<string, number>();
  return {
    query,
    count: async (population) => {
      const known = counts.get(population);
      if (known !== undefined) return known;
      const rows = await query<{ n: number }>(`select count(*)::float8 as n from ${population}`);
      const { n } = rows[0]!;
      counts.set(population, n);
      return n;
    },
    apart: async (work) => {
      await query("savepoint apart");
      try {
        const done = await work();
        await query("release savepoint apart");
        return done;
      } catch (error) {
        await query("rollback to savepoint apart");
        throw error;
      }
    },
    has: async (table) => {
      const rows = await query<{ there: boolean }>("select to_regclass($1) is not null as there", [
        table,
      ]);
      return rows[0]!.there;
    },
  };
}
