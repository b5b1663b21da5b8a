/**
 * Keeps wakes out while the mailbox stream is nearly full, so that reports of runs still fit. Looks
 * at the stream at most every two seconds, and only while somebody wants to wake.
 */
import type { NatsBus } from "@reveille/shared/nats/bus";
import { streamFacts } from "@reveille/shared/nats/stream-facts";
import type { Logger } from "@reveille/shared/runtime/log";
import { overloaded } from "./errors.js";

export interface MailboxGauge {
  /** @throws HttpError 503 while the stream is over 80 % full. */
  admit(): Promise<void>;
  /** As last seen, 0 to 1. */
  readonly fill: number;
}

/** Above this no wake is taken; the rest is for reports, commands and timers (design, section 3). */
const fillMax = 0.8;
const lookEveryMs = 2_000;

export function createMailboxGauge(bus: NatsBus, stream: string, logger: Logger): MailboxGauge {
  let fill = 0;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | null = null;

  const look = async (): Promise<void> => {
    try {
      const facts = await streamFacts(bus, stream);
      fill = facts && facts.bytesMax > 0 ? facts.bytes / facts.bytesMax : 0;
    } catch (error) {
      // The publish that follows finds out by itself whether the stream can take it.
      logger.warn({ err: error }, "cannot see how full the mailbox is");
    }
    looking = null;
  };
  return {
    admit: async () => {
      if (performance.now() - lookedAt > lookEveryMs) {
        lookedAt = performance.now();
        looking ??= look();
        // Only while it was too full somebody waits for the new figure: an idle wake does not.
        if (fill > fillMax) await looking;
      }
      if (fill > fillMax) throw overloaded(503, "The mailbox is over 80 % full", 5);
    },
    get fill() {
      return fill;
    },
  };
}
