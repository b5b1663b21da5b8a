/**
 * How much a run and an agent leave behind in Postgres: bytes of tables and indexes, bytes of the write-ahead log. What a day of
 * runs needs of a disk follows from it (docs/scaling.md).
 */
import type { Pool } from "@reveille/shared/postgres/pool";
import { drive } from "../floor/pipeline.js";
import { figure, type Findings } from "../figure.js";
import { addAgents, noop, untilOver } from "../product.js";
import { withProduct, withServers, type ScenarioOptions } from "./scenario.js";

interface Size {
  bytes: number;
  walBytes: number;
  tables: Record<string, number>;
}

/** Measures both. Runs are of the adapter `noop`: a context or a result of somebody's own comes on top. */
export const size = (options: ScenarioOptions): Promise<Findings> =>
  withServers(options, (servers) =>
    withProduct(servers, 256, async ({ pool }) => {
      const agents = options.quick ? 10_000 : 100_000;
      const runs = options.quick ? 2_000 : 20_000;
      options.say(`${agents} agents`);
      const empty = await sizeOf(pool);
      const fleet = await addAgents(pool, agents, noop);
      const registered = await sizeOf(pool);
      options.say(`${runs} runs`);
      const { companyId } = fleet;
      // Each of so many agents has some runs, as in life; their states are rows of their own.
      const agentIds = fleet.agentIds.slice(0, runs / 10);
      const natsUrl = servers.publicNatsUrl;
      const wakes = { natsUrl, prefix: "rv", companyId, agentIds, count: runs, label: "size" };
      await drive({ ...wakes, mode: "burst" }, 300_000);
      await untilOver(pool, companyId, runs, 300_000);
      const worked = await sizeOf(pool);
      const grown = Object.entries(worked.tables)
        .map(([table, bytes]): [string, number] => [
          table,
          (bytes - (registered.tables[table] ?? 0)) / runs,
        ])
        .filter(([, bytes]) => bytes > 1);
      return {
        figures: [
          figure("an agent in Postgres", (registered.bytes - empty.bytes) / agents, "bytes"),
          figure(
            "a run in Postgres",
            (worked.bytes - registered.bytes) / runs,
            "bytes",
            undefined,
            {
              samples: runs,
              detail: { tables: Object.fromEntries(grown) },
            },
          ),
          figure(
            "write-ahead log of a run",
            (worked.walBytes - registered.walBytes) / runs,
            "bytes",
          ),
        ],
        checks: [],
      };
    }),
  );

/** Tables with their indexes, after what was deleted has been made free for use again. */
async function sizeOf(pool: Pool): Promise<Size> {
  await pool.query("vacuum");
  const { rows } = await pool.query<{ name: string; bytes: number }>(
    "select relname as name, pg_total_relation_size(oid)::float8 as bytes from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
  );
  const [wal] = (
    await pool.query<{ bytes: number }>(
      "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as bytes",
    )
  ).rows;
  return {
    bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
    walBytes: wal!.bytes,
    tables: Object.fromEntries(rows.map(({ name, bytes }) => [name, bytes])),
  };
}
