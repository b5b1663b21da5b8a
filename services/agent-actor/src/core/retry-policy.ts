/**
 * Which failures are tried again, how often and when, as an agent's `runtimeConfig.retry` says. Pure
 * arithmetic: the dice of the jitter are the id of the run that is to come. Knows no run and no state.
 */
import { retryBounds } from "@reveille/shared/protocol/retry-settings";
import { asMap, asNumber, within, wholeWithin } from "./config-values.js";
import type { Ending } from "./outcome.js";

export interface RetryPolicy {
  /** What is tried again: `timeout`, `transient`, `failed`, or error codes. */
  on: readonly string[];
  /** New runs after the first one, 0 to 10. */
  max: number;
  baseMs: number;
  factor: number;
  maxMs: number;
  /** Each delay is changed by up to this share, up or down; 0 to 1. */
  jitter: number;
  /** Equal failures in a row after which the agent is paused; 0: never. */
  pauseAfterFailures: number;
}

const dayMs = 86_400_000;
/**
 * No retry, as in the reference. Whoever wants some gets about the ladder that it had later (2 min, 10 min,
 * 30 min, 2 h, each with 25 % of jitter), as a rule: 2, 8, 32, 120 min.
 */
const defaults = {
  on: ["timeout", "transient"],
  max: 0,
  baseSec: 120,
  factor: 4,
  maxSec: 7_200,
  jitter: 0.25,
};
/** A week, the longest window of usage limits. An adapter that asks for more speaks of no passing failure. */
export const retryHorizonMs = 7 * dayMs;

/** Reads the policy. Never throws; anything malformed counts as absent, and numbers are clamped. */
export function readRetryPolicy(runtimeConfig: unknown): RetryPolicy {
  const retry = asMap(asMap(runtimeConfig)["retry"]);
  const seconds = (key: "baseSec" | "maxSec"): number =>
    Math.round(within(asNumber(retry[key], defaults[key]), 0, retryBounds.delaySec) * 1_000);
  const { on } = retry;
  return {
    on: Array.isArray(on)
      ? on.filter((code): code is string => typeof code === "string").slice(0, retryBounds.codes)
      : defaults.on,
    max: wholeWithin(retry["max"], defaults.max, 0, retryBounds.max),
    baseMs: seconds("baseSec"),
    factor: within(asNumber(retry["factor"], defaults.factor), 1, retryBounds.factor),
    maxMs: seconds("maxSec"),
    jitter: within(asNumber(retry["jitter"], defaults.jitter), 0, 1),
    pauseAfterFailures: wholeWithin(
      retry["pauseAfterFailures"],
      0,
      0,
      retryBounds.pauseAfterFailures,
    ),
  };
}

/** Is this a failure that the policy tries again? `transient`: its adapter holds it for one that passes. */
export function isRetried({ on }: RetryPolicy, ending: Ending, transient: boolean): boolean {
  switch (ending.status) {
    case "succeeded":
    case "cancelled":
      return false;
    case "timed_out":
      return on.includes("timeout") || hasCode(on, ending);
    case "failed":
      return (
        on.includes("failed") || (transient && on.includes("transient")) || hasCode(on, ending)
      );
  }
}
const hasCode = (on: readonly string[], { errorCode }: Ending): boolean =>
  errorCode !== null && on.includes(errorCode);

/** How long to wait before a retry, ms. `number`: retries before it. `runId`: its own id, the dice. */
export function retryDelayMs(policy: RetryPolicy, number: number, runId: string): number {
  const delay = Math.min(policy.maxMs, policy.baseMs * policy.factor ** number);
  // The first 32 bits of the id, evenly in [-1, 1): ids are hashes.
  const dice = (Number.parseInt(runId.slice(0, 8), 16) / 2 ** 32) * 2 - 1;
  return Math.round(delay * (1 + policy.jitter * dice));
}
