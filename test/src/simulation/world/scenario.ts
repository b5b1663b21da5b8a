// Owns what a simulated fleet is and what happens to it, as data: everything of a scenario follows from its seed. Knows how likely
// things are, nothing of how they are done.
import { deriveId } from "@reveille/shared/protocol/ids";
import { createRandom } from "../machine/random.js";
import type { Random } from "../machine/random.js";
import { faultsOf } from "./scenario-faults.js";
import type { Fault } from "./scenario-faults.js";
import { operationsOf } from "./scenario-operations.js";
import type { Operation } from "./scenario-operations.js";

export interface AgentPlan {
  id: string;
  companyId: string;
  maxConcurrentRuns: number;
  runtimeConfig: Record<string, unknown>;
  budgetMonthlyCents: number;
  /** When its own timer is due first, simulated milliseconds; null: none. */
  timerAtMs: number | null;
}
export interface Scenario {
  seed: number;
  partitions: number;
  hosts: number;
  batchMax: number;
  residentMax: number;
  /** After how long an agent leaves memory, ms. */
  residentIdleMs: number;
  runners: { slots: number }[];
  companies: { id: string; budgetMonthlyCents: number }[];
  agents: AgentPlan[];
  issues: { id: string; companyId: string }[];
  /** The longest hop of a message or statement on an ordinary day, ms. */
  hopMaxMs: number;
  operations: Operation[];
  faults: Fault[];
  /** From here on nothing breaks any more, ms; every fault ends before. */
  healAtMs: number;
  /** It goes on at rest until then, ms: what comes once in ten minutes comes there. 0: it ends when it rests. */
  untilMs: number;
}

/** Hosts' leases: as shipped. Runners' are shortened from 30 s, so that a scenario sees several. */
export const runnerLeaseTtlMs = 9_000;

/** An id that is the same in every run of a seed. */
export const idOf = (seed: number, name: string): string => deriveId("simulation", `${seed}`, name);

/** One seed in so many is long: its quiet minutes cost as much as twenty short ones. */
const longEvery = 400;
/** A little longer than the longest period of a host. */
const longMs = 610_000;

export function scenarioOf(seed: number): Scenario {
  const random = createRandom(seed);
  const companies = Array.from({ length: random.chance(0.25) ? 2 : 1 }, (_, at) => ({
    id: idOf(seed, `company ${at}`),
    // 10 cents: a handful of runs.
    budgetMonthlyCents: random.chance(0.08) ? 10 : 0,
  }));
  const agents = Array.from({ length: random.between(2, 5) }, (_, at) =>
    agentOf(seed, random, random.pick(companies).id, at),
  );
  const issues = Array.from({ length: random.between(1, 3) }, (_, at) => ({
    id: idOf(seed, `issue ${at}`),
    companyId: random.pick(agents).companyId,
  }));
  const fleet = {
    seed,
    partitions: random.between(1, 6),
    hosts: random.pick([1, 2, 2, 3]),
    // Small batches and caches: what is split in production only under load is split here all the time.
    batchMax: random.pick([1, 3, 200]),
    residentMax: random.pick([1, 2, 20_000, 20_000]),
    residentIdleMs: random.pick([1_000, 60_000]),
    runners: Array.from({ length: random.between(1, 2) }, () => ({ slots: random.between(1, 3) })),
    companies,
    agents,
    issues,
    hopMaxMs: random.pick([2, 5, 40]),
  };
  const activeMs = random.between(4, 12) * 1_000;
  const operations = operationsOf(random, fleet, activeMs);
  // One in five has no fault at all: what is late there has no excuse.
  const faults = random.chance(0.2) ? [] : faultsOf(random, fleet, activeMs + 4_000);
  const healAtMs = faults.reduce(
    (end, fault) => Math.max(end, fault.atMs + fault.forMs + 500),
    activeMs,
  );
  return { ...fleet, operations, faults, healAtMs, untilMs: seed % longEvery === 0 ? longMs : 0 };
}

function agentOf(seed: number, random: Random, companyId: string, at: number): AgentPlan {
  const maxConcurrentRuns = random.pick([1, 1, 2, 3]);
  const timer = random.chance(0.2);
  return {
    id: idOf(seed, `agent ${at}`),
    companyId,
    maxConcurrentRuns,
    budgetMonthlyCents: random.chance(0.06) ? 5 : 0,
    timerAtMs: timer ? random.between(500, 3_000) : null,
    runtimeConfig: {
      heartbeat: {
        maxConcurrentRuns,
        maxQueuedRuns: random.pick([2, 1_000]),
        ...(timer ? { intervalSec: random.between(1, 5) } : {}),
      },
      retry: {
        lost: random.pick([0, 1, 1, 2]),
        max: random.pick([0, 0, 1, 2]),
        on: ["timeout", "transient", "failed"],
        baseSec: 1,
        factor: 2,
        maxSec: 4,
        pauseAfterFailures: random.pick([0, 0, 0, 3]),
      },
    },
  };
}
