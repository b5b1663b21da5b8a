/**
 * Runs a second with a backlog: 10,000 wakes over 1,000 agents, for runs that do nothing and for `/bin/true`;
 * afterwards every wake must have ended in exactly one run, and each agent's runs must be in order.
 */
import { drive, measureThroughput, type ThroughputFigure } from "../floor/pipeline.js";
import { measureSpawnRate, type SpawnRate } from "../floor/spawn-rate.js";
import type { BurstResult } from "../floor/wake-driver.js";
import { nowMicros } from "../floor/clock.js";
import { besideFloor, check, figure, type Check, type Findings } from "../figure.js";
import {
  addAgents,
  noop,
  processAdapter,
  untilOver,
  type Adapter,
  type Product,
} from "../product.js";
import type { BenchServers } from "../servers.js";
import { examineRuns } from "./examine-runs.js";
import { floorAround, withProduct, withServers, type ScenarioOptions } from "./scenario.js";

/** Runs at a time: no-op runs only wait for answers; processes compete for two cores. */
const noopSlots = 256;
const spawnSlots = 32;
const program = "/bin/true";
/** The longest that a burst may take: 10,000 runs at 40 a second. */
const burstTimeoutMs = 250_000;

/** Measures both rates. */
export async function throughput(options: ScenarioOptions): Promise<Findings> {
  const first = await noopRate(options);
  const second = await spawnRate(options);
  return {
    figures: [...first.figures, ...second.figures],
    checks: [...first.checks, ...second.checks],
  };
}

const noopRate = (options: ScenarioOptions): Promise<Findings> =>
  withServers(options, async (servers) => {
    const size = options.quick
      ? { agents: 200, count: 2_000, warmUp: 500 }
      : { agents: 1_000, count: 10_000, warmUp: 2_000 };
    const { floors, result } = await floorAround(
      options,
      () => measureThroughput({ ...servers, slots: noopSlots, ...size }),
      () =>
        withProduct(servers, noopSlots, (product) => burst(servers, product, size, noop, "noop")),
    );
    const floor = Math.max(...floors.map(({ runsPerSecond }) => runsPerSecond));
    const { runsPerSecond, runs } = result.rate;
    return {
      figures: [
        // The bar of the issue, on two quiet cores.
        figure("no-op runs", runsPerSecond, "runs/s", { direction: "higher", limit: 800 }),
        besideFloor(
          "no-op runs beside the bare pipeline",
          runsPerSecond,
          "runs/s",
          { name: "bare pipeline", value: floor },
          undefined,
          { samples: runs, detail: { product: result.rate, floors } },
        ),
      ],
      checks: result.checks,
    };
  });

const spawnRate = (options: ScenarioOptions): Promise<Findings> =>
  withServers(options, async (servers) => {
    const size = options.quick
      ? { agents: 200, count: 600, warmUp: 100 }
      : { agents: 1_000, count: 10_000, warmUp: 500 };
    const { floors, result } = await floorAround(
      options,
      () => fastestSpawns(options.quick ? 300 : 1_500),
      () =>
        withProduct(servers, spawnSlots, (product) =>
          burst(servers, product, size, processAdapter(program), "true"),
        ),
    );
    const fastest = floors.flat().toSorted((a, b) => b.processesPerSecond - a.processesPerSecond);
    return {
      figures: [
        besideFloor(
          `${program} runs`,
          result.rate.runsPerSecond,
          "runs/s",
          { name: "raw spawns", value: fastest[0]!.processesPerSecond },
          // The bar of the issue.
          { direction: "higher", limit: 0.6 },
          { samples: result.rate.runs, detail: { product: result.rate, floors } },
        ),
      ],
      checks: result.checks,
    };
  });

/** One lane shows the latency of a spawn, several its rate; past the cores more lanes change little. */
async function fastestSpawns(count: number): Promise<SpawnRate[]> {
  const rates: SpawnRate[] = [];
  for (const concurrency of [1, 4, 16])
    rates.push(await measureSpawnRate(program, concurrency, count));
  return rates;
}

async function burst(
  servers: BenchServers,
  { pool }: Product,
  size: { agents: number; count: number; warmUp: number },
  adapter: Adapter,
  label: string,
): Promise<{ rate: ThroughputFigure; checks: Check[] }> {
  const publish = async (count: number, agents: number): Promise<[ThroughputFigure, Check[]]> => {
    const fleet = await addAgents(pool, agents, adapter);
    const published = await drive<BurstResult>(
      { natsUrl: servers.publicNatsUrl, prefix: "rv", ...fleet, count, label, mode: "burst" },
      burstTimeoutMs,
    );
    await untilOver(pool, fleet.companyId, count, burstTimeoutMs);
    const seconds = (nowMicros() - published.firstAt) / 1e6;
    const publishSeconds = (published.lastAt - published.firstAt) / 1e6;
    return [
      { runs: count, seconds, runsPerSecond: count / seconds, publishSeconds },
      (await examineRuns(pool, fleet.companyId, count)).map((one) =>
        check(`${label}: ${one.name}`, one.holds, one.found),
      ),
    ];
  };
  await publish(size.warmUp, size.agents);
  const [rate, checks] = await publish(size.count, size.agents);
  return { rate, checks };
}
