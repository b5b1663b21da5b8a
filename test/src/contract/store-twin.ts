// Owns the comparison of the simulated store with a real Postgres: every statement goes to both, and every difference in what they answer
// or keep is an error that says where. Knows no statement; what is asked comes from the shipped shell.
import { randomUUID } from "node:crypto";
import pg from "pg";
import { migrate } from "@reveille/shared/postgres/migrate";
import { createPool } from "@reveille/shared/postgres/pool";
import type { Pool, Sql, Statement } from "@reveille/shared/postgres/pool";
import { sharedPostgresUrl } from "../harness/provided.js";
import { createSimStore } from "../simulation/store/store.js";
import type { SimStore } from "../simulation/store/store.js";
import type { Tables } from "../simulation/store/tables.js";

export interface Twin {
  /** Both; answers with the real one's rows. @throws the real one's error when both raise the same. */
  sql: Sql;
  store: SimStore;
  pool: Pool;
  /** Names of the statements that were asked; true: at least once there was something to answer or to change. */
  asked: Map<string, boolean>;
  /** Adds a row to both, as services other than the actor do. Columns by their names; defaults are the simulated store's. */
  insert<Name extends keyof Tables>(table: Name, row: Partial<RowOf<Name>>): Promise<RowOf<Name>>;
  /** @throws Error that names what differed in an answer so far, or the first row that they do not both keep. */
  compareTables(): Promise<void>;
  stop(): Promise<void>;
}
type RowOf<Name extends keyof Tables> = ReturnType<Tables[Name]["insert"]>;
type Row = Record<string, unknown>;

/** What both clocks write in one statement may differ by: the way of the statement, on a busy machine. */
const clocksMs = 10_000;
/** Made up by each on its own: nobody reads them. */
const ownIds: Readonly<Record<string, string>> = {
  heartbeat_run_events: "run_id seq",
  dead_letters: "stream_seq reason",
  agent_task_sessions: "agent_id adapter_type task_key",
};

/** A database of its own beside an empty simulated store. */
export async function createTwin(partitions: number): Promise<Twin> {
  const url = await createDatabase();
  await migrate(url, { partitionCount: partitions });
  const pool = createPool({ url, name: "store-contract", size: 1, keyedPlans: true });
  const store = createSimStore({ nowMs: () => Date.now(), partitions });
  await adoptProvisioning(pool, store);
  const asked = new Map<string, boolean>();
  const differences: string[] = [];
  const sql: Sql = {
    query: async (statement) => {
      const { differs, answer } = await askBoth(pool, store, asked, statement);
      // Callers may take an error for a broken connection, and go on: what differed is said again when tables are compared.
      if (differs) {
        differences.push(`${statement.name} differs: ${differs}`);
        throw new Error(differences.at(-1));
      }
      if (answer instanceof Error) throw answer;
      return answer as never;
    },
  };
  return {
    store,
    pool,
    asked,
    sql,
    insert: async (table, values) => {
      const row = store.write((tables) =>
        (tables[table].insert as (row: object) => RowOf<typeof table>)(values),
      );
      const shown = (store.tables[table].json as (row: object) => object)(row);
      const text = `insert into ${table} select * from jsonb_populate_record(null::${table}, $1)`;
      await pool.query(text, [JSON.stringify(shown)]);
      return row;
    },
    compareTables: async () => {
      if (differences.length > 0) throw new Error(differences.join("\n"));
      for (const table of Object.values(store.tables)) {
        const found = await pool.query<{ row: Row }>(
          `select to_jsonb(t) as row from ${table.name} t`,
        );
        const json = table.json.bind(table) as (row: object) => Row;
        const kept = (table.rows() as object[]).map(json);
        const real = found.rows.map(({ row }) => row);
        const key = ownIds[table.name]?.split(" ") ?? keyOf(table.name);
        const differs = difference(inOrder(real, key), inOrder(kept, key), table.name);
        if (differs) throw new Error(`tables differ: ${differs}`);
      }
    },
    stop: () => pool.end(),
  };
}

/** What migrating writes of versions is no statement of the shell. */
async function adoptProvisioning(pool: Pool, store: SimStore): Promise<void> {
  const found = await pool.query<{ schema_oldest: number; protocol: number }>(
    "select schema_oldest, protocol from mailbox_state",
  );
  store.write(({ mailbox_state: table }) => table.update(table.get(1)!, found.rows[0]!));
}

const keyOf = (table: string): string[] =>
  ({
    agent_runtime_state: ["agent_id"],
    wake_verdicts: ["agent_id", "wake_id"],
    partitions: ["partition"],
    owed_wakes: ["wake_id"],
  })[table] ?? ["id"];

function inOrder(rows: Row[], key: string[]): Row[] {
  const text = (row: Row): string => JSON.stringify(key.map((column) => row[column]));
  const sorted = rows.toSorted((a, b) => (text(a) < text(b) ? -1 : 1));
  return key.includes("id")
    ? sorted
    : sorted.map((row) =>
        Object.fromEntries(Object.entries(row).filter(([name]) => name !== "id")),
      );
}

async function askBoth(
  pool: Pool,
  store: SimStore,
  asked: Map<string, boolean>,
  statement: Statement,
): Promise<{ differs: string | null; answer: object }> {
  const real = await pool.query<Row>(statement).catch((error: unknown) => error as Error);
  const found = !(real instanceof Error) && (real.rowCount ?? 0) > 0;
  asked.set(statement.name, found || asked.get(statement.name) === true);
  const simulated = attempt(() => store.execute(statement));
  const differs =
    real instanceof Error || simulated instanceof Error
      ? difference(said(real), said(simulated), "error")
      : (difference(real.rowCount, simulated.rowCount, "rowCount") ??
        difference(
          comparable(statement, real.rows),
          comparable(statement, simulated.rows),
          "rows",
        ));
  return { differs, answer: real };
}

function attempt<T>(call: () => T): T | Error {
  try {
    return call();
  } catch (error) {
    return error as Error;
  }
}

/** What callers can tell errors apart by; the words of a few as well. */
function said(result: unknown): unknown {
  if (!(result instanceof Error)) return "no error";
  const { code, constraint, detail, message } = result as pg.DatabaseError;
  if (code === undefined) return message;
  const failed = { code, constraint };
  if (code === "23505" || code === "23503") return { ...failed, detail };
  return code === "23502" || code === "RV001" ? { code, message } : failed;
}

/** Only these say in which order they answer; rows of all others, and lists without an order within rows, are compared as sets. */
const ordered = /order by (a\w+\.at|id|deleted_at)( limit [$\d]+)?\s*$/;
const unorderedLists = ["sessions", "others"];

function comparable({ text }: Statement, rows: readonly object[]): unknown {
  const shown = rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [
        key,
        unorderedLists.includes(key) && Array.isArray(value) ? asSet(value) : value,
      ]),
    ),
  );
  return ordered.test(text) ? shown : asSet(shown);
}
const asSet = (rows: unknown[]): unknown[] =>
  rows.toSorted((a, b) => (stable(a) < stable(b) ? -1 : 1));
/** JSON with its keys in order. */
const stable = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );

const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const timeOf = (value: unknown): number | null =>
  value instanceof Date
    ? value.getTime()
    : typeof value === "string" && timePattern.test(value)
      ? Date.parse(value)
      : null;

/** Where they differ first, and how; null: nowhere. Times may differ by what the clocks do. */
function difference(real: unknown, simulated: unknown, path: string): string | null {
  if (Object.is(real, simulated)) return null;
  const [realMs, simulatedMs] = [timeOf(real), timeOf(simulated)];
  const sameKind = typeof real === typeof simulated;
  if (realMs !== null && simulatedMs !== null && sameKind && nearNow(realMs, simulatedMs))
    return null;
  if (!isRecord(real) || !isRecord(simulated) || realMs !== null)
    return `${path}: really ${show(real)}, simulated ${show(simulated)}`;
  for (const key of new Set([...Object.keys(real), ...Object.keys(simulated)])) {
    const found = difference(real[key], simulated[key], `${path}.${key}`);
    if (found) return found;
  }
  return Array.isArray(real) === Array.isArray(simulated) ? null : `${path}: a list or not`;
}
const nearNow = (a: number, b: number): boolean => Math.abs(a - b) < clocksMs;
const isRecord = (value: unknown): value is Row => typeof value === "object" && value !== null;
const show = (value: unknown): string => (value === undefined ? "nothing" : stable(value));

async function createDatabase(): Promise<string> {
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  const url = new URL(sharedPostgresUrl());
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    await client.query(`create database ${name}`);
  } finally {
    await client.end();
  }
  url.pathname = `/${name}`;
  return url.href;
}
