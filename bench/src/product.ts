/**
 * The product under measurement: the stack as `npm start` starts it, on given servers, and the rows that a
 * scenario needs, written in bulk as a gateway would write them. Looks at results through Postgres alone.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startStack, type Stack } from "@reveille/local/up";
import { createPool, type Pool } from "@reveille/shared/postgres/pool";
import { newId } from "@reveille/shared/protocol/ids";
import { defaultPartitionCount, partitionOf } from "@reveille/shared/protocol/partition";
import { stoppable } from "./interruption.js";
import type { BenchServers } from "./servers.js";

export interface Product {
  stack: Stack;
  pool: Pool;
  stop(): Promise<void>;
}

/** Starts the services (one of each) on running servers. `slots`: runs at a time of the runner. */
export async function startProduct(servers: BenchServers, slots: number): Promise<Product> {
  const stack = await startStack({
    dataDir: join(servers.dir, "product"),
    natsUrl: servers.natsUrl,
    natsUrlOf: servers.natsUrlOf,
    databaseUrl: servers.databaseUrl,
    restart: false,
    prefix: "rv",
    logLevel: "warn",
    env: { runner: { REVEILLE_RUNNER_SLOTS: String(slots) } },
  });
  const pool = createPool({ url: servers.databaseUrl, name: "bench", size: 2 });
  return {
    stack,
    pool,
    stop: stoppable(async () => {
      await pool.end();
      await stack.stop();
    }),
  };
}

export interface Adapter {
  type: "noop" | "process";
  config: Record<string, unknown>;
}
export const noop: Adapter = { type: "noop", config: {} };
export const processAdapter = (command: string, args: readonly string[] = []): Adapter => ({
  type: "process",
  config: { command, args },
});

export interface Fleet {
  companyId: string;
  agentIds: string[];
}

/** Rows a statement when agents are written: 5,000 stay far below the limit of parameters. */
const agentsAtOnce = 5_000;

/** A new company with `count` agents. */
export async function addAgents(pool: Pool, count: number, adapter: Adapter): Promise<Fleet> {
  const companyId = newId();
  await pool.query("insert into companies (id, name, issue_prefix) values ($1, 'bench', $2)", [
    companyId,
    `B${companyId.slice(0, 8).toUpperCase()}`,
  ]);
  const agentIds = Array.from({ length: count }, newId);
  for (let at = 0; at < count; at += agentsAtOnce) {
    const ids = agentIds.slice(at, at + agentsAtOnce);
    await pool.query(
      `insert into agents (id, company_id, name, adapter_type, adapter_config, partition)
       select id, $3, 'agent ' || id, $4, $5, partition
       from unnest($1::uuid[], $2::int[]) as n(id, partition)`,
      [
        ids,
        ids.map((id) => partitionOf(id, defaultPartitionCount)),
        companyId,
        adapter.type,
        adapter.config,
      ],
    );
  }
  return { companyId, agentIds };
}

/** `count` open issues of the company. */
export async function addIssues(pool: Pool, companyId: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, newId);
  await pool.query(
    `insert into issues (id, company_id, title, status)
     select id, $2, 'bench', 'todo' from unnest($1::uuid[]) as n(id)`,
    [ids, companyId],
  );
  return ids;
}

/** How often the end of a burst is looked for, as in the floor. */
const pollMs = 100;

/** Waits until `count` runs of the company are over. @throws Error with what there is, after `timeoutMs`. */
export async function untilOver(
  pool: Pool,
  companyId: string,
  count: number,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { rows } = await pool.query<{ phase: string; count: number }>(
      "select phase, count(*)::int as count from heartbeat_runs where company_id = $1 group by phase",
      [companyId],
    );
    if ((rows.find(({ phase }) => phase === "over")?.count ?? 0) >= count) return;
    if (performance.now() > deadline)
      throw new Error(
        `${count} runs not over in ${timeoutMs} ms; runs now: ${JSON.stringify(rows)}`,
      );
    await delay(pollMs);
  }
}
