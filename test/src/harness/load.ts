// Owns the load under which faults are caused: agents of which some have one slot and some several, issues that they share, wakes for
// both, published in order per agent. Knows when the load is over and has it judged.
import { expect } from "vitest";
import { seeded, type Agent, type Cluster } from "./cluster.js";
import { until } from "./until.js";
import type { Wake } from "./wake-client.js";

export interface LoadOptions {
  /** Default 12; a third of them have three slots, the others one. */
  agents?: number;
  /** Default 3; one wake of four is for one of them. 0: no issues. */
  issues?: number;
  /** Of each run; default random, 50 to 500 ms. */
  lives?: number | "random" | "released";
  /** Begins every wake's id; default `wake`. */
  name?: string;
  seed?: number;
}
export interface SettleOptions {
  /** Measured: some seconds; the rest is for a busy machine. Default 60 s. */
  timeoutMs?: number;
  order?: "published" | "stored";
  /** What a careful publisher does when the store may have lost something: a wake without a verdict goes out again under its id. */
  again?: boolean;
}

export interface Load {
  readonly agents: readonly Agent[];
  readonly wakes: readonly Wake[];
  /** Publishes so many more; resolves when all are stored. */
  more(count: number): Promise<void>;
  /** How many processes of this load have started. */
  starts(): number;
  /** Waits until so many have started. */
  started(count: number, timeoutMs?: number): Promise<void>;
  /** How many of its wakes have a verdict that the publisher has heard. */
  verdicts(): number;
  /** Waits for the end of everything, then the judgement. */
  settle(options?: SettleOptions): Promise<void>;
  /** Status and attempts of its runs, counted. Fewer than wakes: some join a run that waits. */
  outcomes(): Promise<{ status: string; attempt: number; n: number }[]>;
  /** Every run of it succeeded at its first attempt: for faults that are none of an agent's process. */
  expectUndisturbed(): Promise<void>;
}

/** What a gateway waits for a verdict. */
const againMs = 5_000;
const againMax = 4;

export async function openLoad(cluster: Cluster, options: LoadOptions = {}): Promise<Load> {
  const { agents: count = 12, lives = "random", name = "wake" } = options;
  const below = seeded(options.seed ?? 1);
  const wide = Math.floor(count / 3);
  const [issues, narrow, others] = await Promise.all([
    cluster.issues(options.issues ?? 3),
    cluster.agents(count - wide, lives, 1),
    cluster.agents(wide, lives, 3),
  ]);
  const agents = [...narrow, ...others];
  const own = new Set(agents.map(({ agentId }) => agentId));
  const wakes: Wake[] = [];
  const { client, witness } = cluster;
  const undecided = (): Wake[] => wakes.filter(({ id }) => !client.verdicts.has(id));
  const load: Load = {
    agents,
    wakes,
    more: (more) => {
      const next = Array.from({ length: more }, (_, at): Wake => {
        const n = wakes.length + at;
        const { companyId, agentId } = agents[below(agents.length)]!;
        const payload =
          issues.length > 0 && below(4) === 0
            ? { issueId: issues[below(issues.length)]! }
            : { taskKey: `task-${n}` };
        return { companyId, agentId, id: `${name}-${n}`, payload };
      });
      wakes.push(...next);
      return client.wakeAll(next);
    },
    starts: () =>
      witness.lines().filter(({ what, agentId }) => what === "start" && own.has(agentId)).length,
    started: async (wanted, timeoutMs = 20_000) => {
      await until(`${wanted} have started`, () => load.starts() >= wanted, {
        timeoutMs,
        describe: () => load.starts(),
      });
    },
    verdicts: () => wakes.length - undecided().length,
    settle: async ({ timeoutMs = 60_000, order = "published", again = false } = {}) => {
      for (let tries = 0; again && tries < againMax && undecided().length > 0; tries += 1) {
        const from = performance.now();
        await until(
          "verdicts",
          () => undecided().length === 0 || performance.now() - from > againMs,
        );
        await client.wakeAll(undecided());
      }
      await cluster.atRest(wakes, timeoutMs);
      await cluster.expectAllWell(wakes, agents, order);
      // A judgement over nothing would always be well.
      expect(load.starts()).toBeGreaterThan(0);
    },
    outcomes: () =>
      cluster.rows(
        "select status, attempt, count(*)::int as n from heartbeat_runs where agent_id = any($1) group by 1, 2 order by 1, 2",
        [[...own]],
      ),
    expectUndisturbed: async () => {
      const outcomes = await load.outcomes();
      expect(outcomes.map(({ status, attempt }) => `${status} ${attempt}`)).toEqual([
        "succeeded 1",
      ]);
    },
  };
  return load;
}
