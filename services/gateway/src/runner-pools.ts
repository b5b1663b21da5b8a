/**
 * Pools of runners: which an agent may choose, what each has before it, and why an execution waits. Which pools there are
 * is configuration; who serves them say the runners' leases; what waits in them is in Postgres.
 */
import type { Pool } from "@reveille/shared/postgres/pool";
import {
  chosenPool,
  defaultPool,
  runnerChoiceSchema,
} from "@reveille/shared/protocol/runner-pools";
import type { Logger } from "@reveille/shared/runtime/log";
import { z } from "zod";
import { HttpError, validationError } from "./errors.js";
import type { ReadRunners, RunnerFacts } from "./runner-facts.js";

export const poolViewSchema = z
  .strictObject({
    pool: z.string(),
    configured: z
      .boolean()
      .describe(
        "Named by REVEILLE_RUNNER_POOLS, so that agents may choose it and its consumer is kept",
      ),
    waiting: z.int().describe("Runs that have their slot and wait for a runner"),
    running: z.int().describe("Runs that a runner has"),
    demand: z.int().describe("Their sum: slots that the pool needs now"),
    runners: z.int().describe("Living runners"),
    slots: z.int().describe("Slots of those that still take work"),
    reason: z.string().nullable().describe("Why what waits here waits; null: nothing does"),
  })
  .meta({ id: "RunnerPool" });
type PoolView = z.output<typeof poolViewSchema>;

export interface RunnerPools {
  /**
   * Refuses a choice that cannot be met, unless it was made before: a client may send back what it got.
   * @throws HttpError 400 that names the field and the pools that there are.
   */
  requireKnown(runtimeConfig: Record<string, unknown>, before: unknown): void;
  /** Every pool that is configured, has a runner or has work. */
  overview(): Promise<PoolView[]>;
  /** Why an execution of this pool has no runner yet. */
  whyWaiting(pool: string): Promise<string>;
}

/** Beyond this many pools with work that nobody configured, somebody has to look at Postgres. */
const shownMax = 200;

export function createRunnerPools(
  configured: readonly string[],
  runners: ReadRunners,
  database: Pool,
): RunnerPools {
  return {
    requireKnown: (runtimeConfig, before) => {
      const path = ["runtimeConfig", "runner"];
      const choice = runnerChoiceSchema.nullish().safeParse(runtimeConfig["runner"]);
      if (!choice.success) throw validationError(choice.error.issues, path);
      const pool = choice.data?.pool ?? defaultPool;
      if (configured.includes(pool) || pool === chosenPool(before)) return;
      const message = `Unknown pool ${JSON.stringify(pool.slice(0, 100))}: expected one of ${configured.join(", ")}`;
      throw new HttpError(400, "Validation error", {
        details: [{ code: "invalid_value", path: [...path, "pool"], message, options: configured }],
      });
    },
    overview: async () => {
      const [living, { rows }] = await Promise.all([
        runners(),
        database.query<{ pool: string; waiting: number; running: number }>(
          `select pool, count(*) filter (where phase = 'dispatched')::int as waiting,
             count(*) filter (where phase in ('running', 'cancelling'))::int as running
           from heartbeat_runs where active or owes_release group by pool order by pool limit ${shownMax}`,
        ),
      ]);
      const work = new Map(rows.map((row) => [row.pool, row]));
      const names = new Set([...configured, ...living.map(({ pool }) => pool)]);
      for (const { pool, waiting, running } of rows) if (waiting + running > 0) names.add(pool);
      return [...names].toSorted().map((pool) => {
        const { waiting = 0, running = 0 } = work.get(pool) ?? {};
        const own = living.filter((runner) => runner.pool === pool);
        return {
          pool,
          configured: configured.includes(pool),
          waiting,
          running,
          demand: waiting + running,
          runners: own.length,
          slots: slotsOf(own),
          reason: waiting > 0 ? whyOf(pool, configured, own) : null,
        };
      });
    },
    whyWaiting: async (pool) =>
      whyOf(
        pool,
        configured,
        (await runners()).filter((runner) => runner.pool === pool),
      ),
  };
}

/** Says, once at the start, where work waits that nobody will take: the list was changed, or a pool renamed. Never rejects. */
export async function warnOfFormerPools(pools: RunnerPools, logger: Logger): Promise<void> {
  try {
    for (const { pool, configured, demand } of await pools.overview())
      if (!configured && demand > 0)
        logger.warn(
          { pool, runs: demand },
          "runs are in a pool that REVEILLE_RUNNER_POOLS does not name: it was taken away or renamed, and its consumer stays",
        );
  } catch (error) {
    logger.debug({ err: error }, "the pools could not be looked at");
  }
}

/** Slots that still take work. */
const slotsOf = (runners: readonly RunnerFacts[]): number =>
  runners.reduce((sum, { draining, slots }) => sum + (draining ? 0 : slots), 0);

/** What stands in the way of an execution, the most telling first. `own`: living runners of the pool. */
function whyOf(pool: string, configured: readonly string[], own: readonly RunnerFacts[]): string {
  if (own.length === 0)
    return configured.includes(pool)
      ? `pool ${pool} has no runner`
      : `pool ${pool} is not there any more (there are ${configured.join(", ")}) and has no runner`;
  const slots = slotsOf(own);
  if (slots === 0) return `every runner of pool ${pool} is draining`;
  const taken = own.reduce((sum, each) => sum + (each.draining ? 0 : each.taken), 0);
  return taken >= slots
    ? `all ${slots} slots of pool ${pool} are taken`
    : `a runner of pool ${pool} is about to take it`;
}
