/** What the command reads from Postgres by itself: ownership, dead letters, stuck runs. Reads only. */
import { createPool, guarded } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";
import type { Row } from "./api.js";
import type { Context } from "./context.js";
import { unreachable, usageFailure } from "./failure.js";

/** Opens the database for one piece of work. @throws CliFailure when there is none, or it does not answer. */
export async function withDatabase<T>(
  context: Context,
  work: (pool: Pool) => Promise<T>,
): Promise<T> {
  const url = context.system.databaseUrl;
  if (!url)
    throw usageFailure(
      "this needs the database: DATABASE_URL is not set",
      `No running system was found in ${context.system.dataDir} either (--data-dir says where to look).`,
    );
  const pool = createPool({ url, name: "reveille-cli", size: 2 });
  try {
    return await guarded("Postgres", () => work(pool));
  } catch (error) {
    if ((error as { code?: string }).code === "StoreUnavailable")
      throw unreachable(`Postgres does not answer: ${(error as Error).message}`, undefined, error);
    throw error;
  } finally {
    await pool.end();
  }
}

/** One row of `mailbox_state`, as numbers. */
export async function readMailboxState(
  pool: Pool,
): Promise<
  | { partitionCount: number; generation: number; keeper: string | null; keeperLive: boolean }
  | undefined
> {
  const { rows } = await pool.query<{
    partitionCount: number;
    generation: number;
    keeper: string | null;
    keeperLive: boolean | null;
  }>(
    `select partition_count as "partitionCount", generation, keeper::text as keeper, keeper_until > now() as "keeperLive"
     from mailbox_state where id = 1`,
  );
  const row = rows[0];
  return row && { ...row, keeperLive: row.keeperLive === true };
}

export interface HostRow {
  id: string;
  /** Until its lease ends; negative when it has. */
  leaseMs: number;
  version: string;
}
export async function readHosts(pool: Pool): Promise<HostRow[]> {
  const { rows } = await pool.query<HostRow>(
    `select id::text as id, version, round(extract(epoch from lease_until - now()) * 1000)::float8 as "leaseMs"
     from hosts order by id`,
  );
  return rows;
}

export interface PartitionRow {
  partition: number;
  owner: string | null;
  epoch: number;
  generation: number;
  cursorSeq: number;
}
export async function readPartitions(pool: Pool): Promise<PartitionRow[]> {
  const { rows } = await pool.query<PartitionRow>(
    `select partition, owner::text as owner, epoch::float8 as epoch, generation, cursor_seq::float8 as "cursorSeq"
     from partitions order by partition`,
  );
  return rows;
}

const deadLetterColumns = `id::float8 as id, company_id::text as "companyId", agent_id::text as "agentId", partition, generation,
  stream_seq::float8 as "streamSeq", kind, stage, reason, to_char(created_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "createdAt"`;

/** Newest first, without their payloads. */
export async function readDeadLetters(pool: Pool, limit: number): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `select ${deadLetterColumns} from dead_letters order by id desc limit $1`,
    [limit],
  );
  return rows;
}

export async function readDeadLetter(pool: Pool, id: number): Promise<Row | undefined> {
  const { rows } = await pool.query<Row>(
    `select ${deadLetterColumns}, payload_base64 as "payloadBase64" from dead_letters where id = $1`,
    [id],
  );
  return rows[0];
}
