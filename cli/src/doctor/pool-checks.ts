/** Pools of runners as doctor sees them: what the gateway knows of each, beside the consumers that NATS has and what agents have chosen. */
import { inspectConsumers } from "@reveille/shared/nats/inspection";
import type { NatsBus } from "@reveille/shared/nats/bus";
import type { Pool } from "@reveille/shared/postgres/pool";
import { topologyNames } from "@reveille/shared/protocol/topology";
import type { Row } from "../api.js";
import { fail, ok, warn } from "./check.js";
import type { Check } from "./check.js";

/** Agents that a check names; the rest is a number. */
const namedMax = 5;

/**
 * `known`: the answer of `GET /api/pools`. A scaler that asks for a consumer which is not there takes the last sequence of the whole
 * stream for what waits, and starts as many runners as it may.
 */
export async function checkPools(
  bus: NatsBus,
  pool: Pool,
  prefix: string,
  known: readonly Row[],
): Promise<Check[]> {
  const names = topologyNames(prefix);
  const configured = known.flatMap((row) => (row["configured"] ? [String(row["pool"])] : []));
  const consumers = await inspectConsumers(bus, names.exec);
  const missing = configured.filter(
    (one) => !consumers.some(({ name }) => name === names.poolConsumer(one)),
  );
  const wanted = new Set(configured.map((one) => names.poolConsumer(one)));
  const left = consumers.filter(({ name }) => !wanted.has(name));
  const waiting = left.filter(({ pending, unacknowledged }) => pending + unacknowledged > 0);
  return [
    missing.length === 0
      ? ok("pool consumers", `one for each pool (${configured.join(", ")})`)
      : fail(
          "pool consumers",
          `none for ${missing.join(", ")}`,
          "The topology keeper makes them: give the agent-actors the same REVEILLE_RUNNER_POOLS as the gateways.",
        ),
    ...(left.length === 0 ? [] : [leftOver(left, waiting)]),
    await checkChoices(pool, configured),
  ];
}

function leftOver(left: readonly { name: string }[], waiting: readonly { name: string }[]): Check {
  const listed = (some: readonly { name: string }[]): string =>
    some.map(({ name }) => name).join(", ");
  return waiting.length > 0
    ? warn(
        "former pools",
        `executions wait at ${listed(waiting)}, of pools that are not configured any more`,
        "Name the pool in REVEILLE_RUNNER_POOLS again and give it a runner until they are done, or cancel the runs.",
      )
    : ok("former pools", `${listed(left)}: of pools that are not configured any more, and empty`);
}

/** Whose runs would wait for ever: a pool is refused when it is chosen, not when it is taken away. */
async function checkChoices(pool: Pool, configured: readonly string[]): Promise<Check> {
  const { rows } = await pool.query<{ pool: string; name: string; n: number }>(
    `select runtime_config #>> '{runner,pool}' as pool, min(name) as name, count(*)::int as n from agents
     where deleted_at is null and jsonb_typeof(runtime_config #> '{runner,pool}') = 'string'
       and not (runtime_config #>> '{runner,pool}' = any($1::text[])) group by 1 order by 1`,
    [configured],
  );
  const shown = rows.slice(0, namedMax).map((row) => `${row.pool} (${row.n}: ${row.name}…)`);
  return rows.length === 0
    ? ok("agents' pools", "every agent's pool is there")
    : warn(
        "agents' pools",
        `agents have chosen pools that are not there: ${shown.join(", ")}${rows.length > namedMax ? ", …" : ""}`,
        "Change their runtimeConfig.runner.pool, or name the pools in REVEILLE_RUNNER_POOLS. Their runs wait until then.",
      );
}
