/**
 * Fits a runner's times to what the bucket of leases really keeps: a tree must be dead a third of a lease
 * before anybody may think that its runner is.
 */
import { pause } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { RunnerConfig } from "./config.js";
import type { RunnerPorts } from "./ports.js";

/** Between looks for the bucket, which the topology keeper makes. */
const againEveryMs = 1_000;

interface LeaseParts extends Pick<RunnerPorts, "clock" | "leases"> {
  /** Its times are changed here, before anything uses them. */
  config: Pick<RunnerConfig, "leaseTtlMs" | "leaseRenewMs" | "guardDeadlineMs">;
  logger: Logger;
}

/** Resolves when the bucket is there, however long that takes, with how long it keeps a lease; ms. */
export async function fitToLease({ config, clock, leases, logger }: LeaseParts): Promise<number> {
  let ttlMs = 0;
  for (let told = false; ttlMs === 0;) {
    try {
      ttlMs = (await leases.ttlMs()) || config.leaseTtlMs;
    } catch (error) {
      if (!told) logger.warn({ err: error }, "waiting for the bucket of leases");
      told = true;
      await pause(clock, againEveryMs);
    }
  }
  const fitted = {
    guardDeadlineMs: Math.min(config.guardDeadlineMs, Math.floor((ttlMs * 2) / 3)),
    leaseRenewMs: Math.min(config.leaseRenewMs, Math.floor(ttlMs / 10)),
  };
  if (fitted.guardDeadlineMs < config.guardDeadlineMs || fitted.leaseRenewMs < config.leaseRenewMs)
    logger.warn({ ttlMs, ...fitted }, "the lease is shorter than configured for; times were cut");
  Object.assign(config, fitted);
  return ttlMs;
}
