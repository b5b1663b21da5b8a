/**
 * How full the streams are. A full mailbox or queue refuses what comes, a full log stream forgets its oldest
 * bytes: whoever runs the system hears of it before, by metric and by log. Changes nothing.
 */
import type { Streams } from "@reveille/shared/nats/streams";
import type { Logger } from "@reveille/shared/runtime/log";
import type { Sample } from "@reveille/shared/runtime/metrics";

export interface StreamGauge {
  /** @throws RuntimeError `BrokerUnavailable`. */
  look(): Promise<void>;
  /** As last seen; a stream that nobody has looked at yet is not among them. */
  samples(): Sample[];
}

/** As the gateway's bound for wakes; below it there is time to react. */
const warnAbove = 0.8;

export function createStreamGauge(
  streams: Streams,
  names: readonly string[],
  logger: Logger,
): StreamGauge {
  const fills = new Map<string, number>();
  return {
    look: async () => {
      for (const name of names) {
        const facts = await streams.facts(name);
        const before = fills.get(name) ?? 0;
        const fill = facts && facts.bytesMax > 0 ? facts.bytes / facts.bytesMax : 0;
        fills.set(name, fill);
        if (fill > warnAbove && before <= warnAbove)
          logger.warn({ stream: name, fill }, "a stream is nearly full");
        else if (fill <= warnAbove && before > warnAbove)
          logger.info({ stream: name, fill }, "a stream has room again");
      }
    },
    samples: () => [...fills].map(([stream, fill]) => ({ labels: { stream }, value: fill })),
  };
}
