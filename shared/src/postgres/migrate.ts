/**
 * Brings the database to this version's schema: one migrator at a time (advisory lock), each step
 * once. Services never migrate; they check, and refuse to run on an older or unknown schema.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { migrate as runMigrations } from "drizzle-orm/node-postgres/migrator";
import { wrongVersion } from "../errors.js";
import { createDatabase, createPool, guarded } from "./pool.js";
import type { Pool } from "./pool.js";
import { checkProtocol } from "../protocol/version.js";

const folder = fileURLToPath(new URL("../../migrations", import.meta.url));
/** Any number of our own; advisory locks share one space with other users of the database. */
const migrationLock = 7_238_411_905;

/**
 * Services that know at least so many migrations can work with what the newest one leaves: until an old
 * column or meaning goes, every migration only adds, so that a new version can start beside the old one.
 * 3: the first release that asks.
 */
const schemaOldest = 3;

export interface MigrateOptions {
  /** Number of mailbox partitions, fixed when the database is new. */
  partitionCount: number;
}

/** Migrates and makes the rows that must exist. Safe to repeat and to run from several places at once. */
export async function migrate(url: string, options: MigrateOptions): Promise<void> {
  const pool = createPool({ url, name: "reveille-migrate", size: 2, statementTimeoutMs: 600_000 });
  const client = await guarded("migrate", () => pool.connect());
  try {
    await client.query("select pg_advisory_lock($1)", [migrationLock]);
    await runMigrations(createDatabase(pool), { migrationsFolder: folder });
    await client.query(
      `insert into mailbox_state (id, partition_count, schema_oldest) values (1, $1, $2)
       on conflict (id) do update set schema_oldest = greatest(mailbox_state.schema_oldest, excluded.schema_oldest)`,
      [options.partitionCount, schemaOldest],
    );
    await client.query(
      `insert into partitions (partition) select p from mailbox_state, generate_series(0, partition_count - 1) p
       on conflict (partition) do nothing`,
    );
    await client.query("select pg_advisory_unlock($1)", [migrationLock]);
  } finally {
    client.release();
    await pool.end();
  }
}

/** How many migrations this version knows. */
function migrationCount(): number {
  const journal = JSON.parse(readFileSync(`${folder}/meta/_journal.json`, "utf8")) as {
    entries: unknown[];
  };
  return journal.entries.length;
}

/**
 * Refuses a database whose schema or protocol this version cannot work with. One that a newer version has
 * migrated is fine for as long as that version says so: a restart in the middle of an upgrade must work.
 * @throws RuntimeError `WrongVersion`.
 */
export async function checkSchema(pool: Pool): Promise<void> {
  const known = migrationCount();
  const found = await guarded("schema check", () => appliedCount(pool));
  if (found < known)
    throw wrongVersion(
      `the database has ${found} of the ${known} migrations that this version needs: ` +
        "run the migration first (reveille migrate)",
    );
  const state = await guarded("version check", () =>
    pool.query<{ schema_oldest: number; protocol: number }>(
      "select schema_oldest, protocol from mailbox_state where id = 1",
    ),
  );
  const row = state.rows[0];
  if (!row)
    throw wrongVersion("the database is not complete: run the migration (reveille migrate)");
  if (found > known && row.schema_oldest > known)
    throw wrongVersion(
      `the database has ${found} migrations, this version knows ${known}, and ${row.schema_oldest} is the ` +
        "least that works with it: a newer version has migrated it",
    );
  checkProtocol(row.protocol);
}

async function appliedCount(pool: Pool): Promise<number> {
  const table = await pool.query<{ found: string | null }>(
    "select to_regclass('drizzle.__drizzle_migrations') as found",
  );
  if (!table.rows[0]?.found) return 0;
  const count = await pool.query<{ n: string }>(
    "select count(*) as n from drizzle.__drizzle_migrations",
  );
  return Number(count.rows[0]!.n);
}
