// Owns how fault tests measure that work goes on: from an instant on, agents that have nothing to do are woken, and each one's process
// has to start. Judges nothing.
import { randomUUID } from "node:crypto";
import type { Agent, Cluster } from "./cluster.js";
import { until } from "./until.js";
import { openWakeClient, type Wake } from "./wake-client.js";

/** Agents enough that every host owns some of their partitions, few enough that starting their processes is not what is measured. */
const probes = 8;
/** A publish that was on its way when the server came back is repeated so soon: the system is measured, not the publisher's patience. */
const attemptMs = 200;

export interface Recovery {
  readonly agents: readonly Agent[];
  /** Every wake of it so far. */
  readonly wakes: readonly Wake[];
  /** Wakes each of its agents once, now; resolves with the time (ms) until the process of each had started. */
  tookMs(timeoutMs?: number): Promise<number>;
}

/** Made before the fault: its agents belong to the record that the fault must not harm. */
export async function openRecovery(cluster: Cluster): Promise<Recovery> {
  const agents = await cluster.agents(probes, 50);
  const ids = new Set(agents.map(({ agentId }) => agentId));
  const wakes: Wake[] = [];
  const starts = (): number =>
    cluster.witness.lines().filter(({ what, agentId }) => what === "start" && ids.has(agentId))
      .length;
  const name = randomUUID().slice(0, 8);
  let round = 0;
  return {
    agents,
    wakes,
    tookMs: async (timeoutMs = 30_000) => {
      const wanted = starts() + agents.length;
      const next = agents.map((agent, n): Wake => {
        const id = `${name}-${round}-${n}`;
        // A key of its own: a run that has not been reported as over yet would take the wake in.
        return { ...agent, id, payload: { taskKey: id } };
      });
      round += 1;
      wakes.push(...next);
      const from = performance.now();
      const publisher = await openWakeClient(cluster.client.url, attemptMs);
      try {
        const published = publisher.wakeAll(next);
        await until("work goes on", () => starts() >= wanted, {
          timeoutMs,
          describe: () => `${starts()} of ${wanted} have started`,
        });
        const took = performance.now() - from;
        await published;
        return took;
      } finally {
        await publisher.close();
      }
    },
  };
}
