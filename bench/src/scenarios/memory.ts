/**
 * What agents cost while nothing happens: memory and processor time of the actor host with 100,000 registered
 * agents asleep, then memory for each agent that was woken and is still resident.
 */
import { setTimeout as delay } from "node:timers/promises";
import { drive } from "../floor/pipeline.js";
import { figure, type Findings } from "../figure.js";
import { processorSeconds, residentMb } from "../process-usage.js";
import { addAgents, noop, untilOver, type Product } from "../product.js";
import type { BenchServers } from "../servers.js";
import { withProduct, withServers, type ScenarioOptions } from "./scenario.js";

/** The host's slow period is 10 s (reconciling): long enough to see it at least once. */
const settleMs = 12_000;
const idleSeconds = 10;
/** Lowest of some readings: what is resident between two collections of garbage. */
const readings = 10;

/** Measures sleeping and resident agents, and idle processor time. */
export const memory = (options: ScenarioOptions): Promise<Findings> =>
  withServers(options, async (servers) => {
    const sleeping = options.quick ? 10_000 : 100_000;
    const resident = options.quick ? 1_000 : 10_000;
    options.say("empty");
    const live = await withProduct(servers, 64, async (product) => {
      const empty = await settled(product);
      options.say(`${sleeping} agents registered`);
      const fleet = await addAgents(product.pool, sleeping, noop);
      return { empty, registered: await settled(product), fleet };
    });
    options.say("started again");
    return withProduct(servers, 64, async (product) => {
      const again = await settled(product);
      const busy = await idleShare(product);
      options.say(`${resident} of them woken`);
      const few = { ...live.fleet, agentIds: live.fleet.agentIds.slice(0, resident) };
      await wakeAll(servers, product, few, resident / 2, 0);
      const half = await settled(product);
      await wakeAll(servers, product, few, resident / 2, resident / 2);
      const all = await settled(product);
      const growth = Math.max(live.registered, again) - live.empty;
      return {
        figures: [
          // The bars of the issue, for 100,000 agents.
          figure(
            `growth by ${sleeping} sleeping agents`,
            growth,
            "MB",
            { direction: "lower", limit: 50 },
            { detail: { ...live, fleet: undefined, again } },
          ),
          figure("a sleeping agent", (growth * 1e6) / sleeping, "bytes"),
          figure(
            "idle processor time",
            busy * 100,
            "%",
            { direction: "lower", limit: 2 },
            { detail: { seconds: idleSeconds } },
          ),
          figure(
            "a resident agent at most: all growth since the start, garbage included",
            ((all - again) * 1e3) / resident,
            "kB",
          ),
          // The second half: what the first wakes grow (code, buffers, an uncollected heap) is not the agents'.
          figure(
            "a resident agent, by the growth of the second half",
            ((all - half) * 1e3) / (resident / 2),
            "kB",
            undefined,
            {
              samples: resident / 2,
              detail: { again, half, all },
            },
          ),
        ],
        checks: [],
      };
    });
  });

const actorPid = (product: Product): number => product.stack.endpoints.pids["agent-actor"][0] ?? 0;

async function settled(product: Product): Promise<number> {
  await delay(settleMs);
  let lowest = Number.POSITIVE_INFINITY;
  for (let reading = 0; reading < readings; reading += 1) {
    lowest = Math.min(lowest, residentMb(actorPid(product)));
    await delay(100);
  }
  return lowest;
}

/** The share of one core that the actor host uses while nothing happens. */
async function idleShare(product: Product): Promise<number> {
  const before = processorSeconds(actorPid(product));
  await delay(idleSeconds * 1_000);
  return (processorSeconds(actorPid(product)) - before) / idleSeconds;
}

async function wakeAll(
  servers: BenchServers,
  product: Product,
  fleet: { companyId: string; agentIds: string[] },
  count: number,
  from: number,
): Promise<void> {
  const agentIds = fleet.agentIds.slice(from, from + count);
  const { companyId } = fleet;
  const natsUrl = servers.publicNatsUrl;
  const label = `resident-${from}`;
  await drive({ natsUrl, prefix: "rv", companyId, agentIds, count, label, mode: "burst" }, 120_000);
  await untilOver(product.pool, companyId, from + count, 120_000);
}
