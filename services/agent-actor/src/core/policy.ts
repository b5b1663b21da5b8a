/** What an agent's `runtimeConfig` says about waking it, read leniently: a bad value is the default. */
import { isPoolName } from "@reveille/shared/protocol/subjects";
import type { Json } from "./state.js";

export interface Policy {
  /** Gates the timer alone. */
  timerEnabled: boolean;
  /** Seconds between timer wakes; 0: no timer. */
  intervalSec: number;
  wakeOnDemand: boolean;
  /** 1 to 10. */
  maxConcurrentRuns: number;
  /** Runs without a slot that may wait; beyond it wakes are refused. */
  maxQueuedRuns: number;
  /** Which runners take its executions. */
  pool: string;
  /** Lost attempts that are repeated in the same run. */
  lossesMax: number;
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
  const runner = asMap(config["runner"]);
  const pool = runner["pool"];
  return {
    timerEnabled: asBoolean(heartbeat["enabled"], true),
    intervalSec: Math.max(0, asNumber(heartbeat["intervalSec"], 0)),
    wakeOnDemand: asBoolean(
      heartbeat["wakeOnDemand"] ??
        heartbeat["wakeOnAssignment"] ??
        heartbeat["wakeOnOnDemand"] ??
        heartbeat["wakeOnAutomation"],
      true,
    ),
    maxConcurrentRuns: clamp(
      Math.floor(asNumber(heartbeat["maxConcurrentRuns"], 1)),
      1,
      maxConcurrentRunsLimit,
    ),
    maxQueuedRuns: clamp(
      Math.floor(asNumber(heartbeat["maxQueuedRuns"], maxQueuedRunsDefault)),
      1,
      10_000,
    ),
    pool: typeof pool === "string" && isPoolName(pool) ? pool : "default",
    lossesMax: 1,
  };
}

/** When the interval timer is due next after a moment; null: it has none. */
export const nextTimerAfter = (policy: Policy, atMs: number): number | null =>
  policy.timerEnabled && policy.intervalSec > 0 ? atMs + policy.intervalSec * 1000 : null;

const asMap = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
const asBoolean = (value: unknown, otherwise: boolean): boolean =>
  typeof value === "boolean" ? value : otherwise;
const asNumber = (value: unknown, otherwise: number): number =>
  typeof value === "number" && Number.isFinite(value) ? value : otherwise;
const clamp = (value: number, min: number, max: number): number =>
  Math.min(max, Math.max(min, value));
