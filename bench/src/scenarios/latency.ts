/**
 * Idle latency: one wake at a time on a quiet system, from its publication to the moment at which the started
 * process itself reads the clock (it is `date`, and prints it).
 */
import type { PacedResult } from "../floor/wake-driver.js";
import { drive, measureIdle } from "../floor/pipeline.js";
import { measureSpawnLatency } from "../floor/spawn-rate.js";
import { besideFloor, check, figure, type Findings } from "../figure.js";
import type { Pool } from "@reveille/shared/postgres/pool";
import { addAgents, processAdapter } from "../product.js";
import { summarise, type Summary } from "../statistics.js";
import { floorAround, withProduct, withServers, type ScenarioOptions } from "./scenario.js";

/** Prints seconds and nanoseconds since 1970 as its first and only deed. */
const date = ["/bin/date", "+%s%N"] as const;
/** A fraction of a default runner's work: idle means that nothing waits for a slot. */
const slots = 16;

/** Measures latency p50 and p99. */
export const latency = (options: ScenarioOptions): Promise<Findings> =>
  withServers(options, async (servers) => {
    const size = options.quick
      ? { agents: 20, count: 60, warmUp: 20 }
      : { agents: 100, count: 300, warmUp: 60 };
    const { floors, result } = await floorAround(
      options,
      async () => {
        const idle = await measureIdle({ ...servers, slots, ...size }, date);
        return {
          go: summarise(idle.goMs),
          started: summarise(idle.startedMs),
          spawn: summarise(await measureSpawnLatency(date, size.count)),
        };
      },
      () =>
        withProduct(servers, slots, async ({ pool }) => {
          const fleet = await addAgents(pool, size.agents, processAdapter(date[0], [date[1]]));
          const pace = (count: number, label: string): Promise<PacedResult> =>
            drive<PacedResult>(
              {
                natsUrl: servers.publicNatsUrl,
                prefix: "rv",
                ...fleet,
                count,
                label,
                mode: "paced",
              },
              60_000 + count * 1_000,
            );
          await pace(size.warmUp, "warm");
          const paced = await pace(size.count, "paced");
          const asked = await startsAsked(pool, fleet.companyId);
          return { ...paced, asked };
        }),
    );
    const samples = result.samples.map(
      ({ publishedAt, startedAt }) => (startedAt - publishedAt) / 1e3,
    );
    const parts = {
      wakeToAsking: summarise(
        result.samples.map(({ publishedAt }, at) => result.asked[at]! - publishedAt / 1e3),
      ),
      askingToProcess: summarise(
        result.samples.map(({ startedAt }, at) => startedAt / 1e3 - result.asked[at]!),
      ),
    };
    return report(summarise(samples), parts, floors, result.clockDriftMs);
  });

/**
 * When JetStream stored each run's `started`, ms: the runner asks for its go. It divides a latency in two: what
 * leads to the question (wake, transaction, execution), and what follows (transaction, go, spawn).
 */
async function startsAsked(pool: Pool, companyId: string): Promise<number[]> {
  const { rows } = await pool.query<{ at: string }>(
    `select extract(epoch from started_at) * 1000 as at from heartbeat_runs
     where company_id = $1 and wake_id like 'paced-%' order by created_at, stream_seq`,
    [companyId],
  );
  return rows.map(({ at }) => Number(at));
}

interface Floor {
  go: Summary;
  started: Summary;
  spawn: Summary;
}

function report(
  product: Summary,
  parts: Record<string, Summary>,
  floors: readonly Floor[],
  clockDriftMs: number,
): Findings {
  const best = floors.toSorted((a, b) => a.started.p50 - b.started.p50)[0]!;
  const name = "bare pipeline, spawn included";
  const samples = product.count;
  return {
    figures: [
      besideFloor(
        "idle wake -> process started, p50",
        product.p50,
        "ms",
        { name, value: best.started.p50 },
        // The bar of the issue.
        { direction: "lower", limit: 2 },
        { samples, detail: { product, parts, floors } },
      ),
      besideFloor(
        "idle wake -> process started, p99",
        product.p99,
        "ms",
        { name, value: best.started.p99 },
        undefined,
        { samples },
      ),
      figure("floor: wake -> go, p50", best.go.p50, "ms", undefined, { samples: best.go.count }),
      figure("floor: spawn -> its clock, p50", best.spawn.p50, "ms", undefined, {
        samples: best.spawn.count,
      }),
    ],
    checks: [
      // 1 ms: an eighth of the smallest latency that is measured here.
      check("clock stood still", clockDriftMs <= 1, `${clockDriftMs.toFixed(2)} ms moved`),
    ],
  };
}
