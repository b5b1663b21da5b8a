/** The long answers of one gateway: how many there are, and the signal that ends all of them when it stops. */
import type { Metrics } from "@reveille/shared/runtime/metrics";
import { overloaded } from "./errors.js";

export interface OpenStreams {
  /** Ends with `stop` of the gateway, or when its owner aborts it, which is also how it is given back. @throws HttpError 503. */
  open(): AbortController;
  stop(): void;
}

/** Followers of one gateway: each has a subscription, and up to 8 MiB of live chunks while it is slow. */
const streamsMax = 1_000;

export function createOpenStreams(metrics: Metrics): OpenStreams {
  const streams = new Set<AbortController>();
  metrics.read("reveille_log_streams", () => streams.size);
  return {
    open: () => {
      if (streams.size >= streamsMax) throw overloaded(503, "Too many followers", 5);
      const controller = new AbortController();
      streams.add(controller);
      controller.signal.addEventListener("abort", () => streams.delete(controller));
      return controller;
    },
    stop: () => {
      for (const each of streams) each.abort();
    },
  };
}
