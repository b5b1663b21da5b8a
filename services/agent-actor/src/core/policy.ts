/** What an agent's `runtimeConfig` says about waking it, read leniently: a bad value is the default. */
import { retryBounds } from "@reveille/shared/protocol/retry-settings";
import { nextDueAfter, readTimetable } from "@reveille/shared/protocol/schedule";
import type { Timetable } from "@reveille/shared/protocol/schedule";
import { chosenPool, defaultPool } from "@reveille/shared/protocol/runner-pools";
import { isPoolName } from "@reveille/shared/protocol/subjects";
import { asBoolean, asMap, wholeWithin } from "./config-values.js";
import { readRetryPolicy } from "./retry-policy.js";
import type { RetryPolicy } from "./retry-policy.js";

export interface Policy {
  /** Gates the timer alone. */
  timerEnabled: boolean;
  /** When its own timer is due. */
  timetable: Timetable;
  wakeOnDemand: boolean;
  /** 1 to 10. */
  maxConcurrentRuns: number;
  /** Runs without a slot that may wait; beyond it wakes are refused. */
  maxQueuedRuns: number;
  /** Which runners take its executions. */
  pool: string;
  /** Lost attempts that are repeated in the same run, 0 to 5. */
  lossesMax: number;
  /** What is tried again in a new run. */
  retry: RetryPolicy;
}

/** 1,000: a day of one wake every 90 seconds; whoever queues more has a loop, not a backlog. */
const maxQueuedRunsDefault = 1_000;
/** Live runs of one company; beyond it wakes are refused. 100,000: a hundred agents with full queues. */
export const companyRunsMax = 100_000;
/** 10, as the reference clamps. */
const maxConcurrentRunsLimit = 10;

/** Reads the policy. Never throws; anything malformed counts as absent. */
export function readPolicy(runtimeConfig: unknown): Policy {
  const config = asMap(runtimeConfig);
  const heartbeat = asMap(config["heartbeat"]);
  const pool = chosenPool(runtimeConfig);
  return {
    timerEnabled: asBoolean(heartbeat["enabled"], true),
    timetable: readTimetable(runtimeConfig),
    wakeOnDemand: asBoolean(
      heartbeat["wakeOnDemand"] ??
        heartbeat["wakeOnAssignment"] ??
        heartbeat["wakeOnOnDemand"] ??
        heartbeat["wakeOnAutomation"],
      true,
    ),
    maxConcurrentRuns: wholeWithin(heartbeat["maxConcurrentRuns"], 1, 1, maxConcurrentRunsLimit),
    maxQueuedRuns: wholeWithin(heartbeat["maxQueuedRuns"], maxQueuedRunsDefault, 1, 10_000),
    pool: pool !== undefined && isPoolName(pool) ? pool : defaultPool,
    lossesMax: wholeWithin(asMap(config["retry"])["lost"], 1, 0, retryBounds.lost),
    retry: readRetryPolicy(runtimeConfig),
  };
}

/** When the agent's own timer is due first, counted from a moment; null: it has none. */
export const nextTimerAfter = ({ timetable }: Policy, atMs: number): number | null =>
  nextDueAfter(timetable.schedule, atMs);
