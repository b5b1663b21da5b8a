/**
 * The other runners of this place. Where a runner and its guard are both gone, or both stand still, nobody
 * else ends their processes before the attempts are repeated: whoever lives here does. Knows lifelines and
 * leases, no run.
 */
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { FoundLifeline, Place } from "./containment/lifeline.js";

export interface Neighbours {
  /** No further look; resolves when the one under way is over. */
  stop(): Promise<void>;
}
export interface NeighbourParts {
  place: Place;
  clock: Clock;
  leases: Bucket;
  leaseTtlMs: number;
  logger: Logger;
}

/** Eight looks in a lease, so that one falls between the deadline (two thirds) and the end; at most one a second. */
const looksPerLease = 8;
const lookEveryMaxMs = 1_000;

interface Seen {
  revision: number;
  /** When this revision was first seen, by the monotonic clock. */
  sinceMs: number;
}

/** Looks from now on. What cannot be looked at, or cut, is told once and tried again. */
export function watchNeighbours(parts: NeighbourParts): Neighbours {
  const { clock, leaseTtlMs, logger } = parts;
  const watch = new NeighbourWatch(parts);
  let looking: Promise<void> | null = null;
  let told = false;
  const timer = clock.every(Math.min(lookEveryMaxMs, leaseTtlMs / looksPerLease), () => {
    looking ??= watch
      .look()
      .then(() => void (told = false))
      .catch((error: unknown) => {
        if (!told) logger.warn({ err: error }, "cannot look after other runners of this place");
        told = true;
      })
      .finally(() => (looking = null));
  });
  return {
    stop: async () => {
      timer.cancel();
      await looking;
    },
  };
}

class NeighbourWatch {
  readonly #parts: NeighbourParts;
  /** By incarnation. What has no lease in our bucket belongs to another installation, and is none of our business. */
  readonly #renewals = new Map<string, Seen>();
  readonly #stuck = new Set<string>();

  constructor(parts: NeighbourParts) {
    this.#parts = parts;
  }

  async look(): Promise<void> {
    const found = this.#parts.place.find();
    const here = new Set(found.map(({ incarnation }) => incarnation));
    for (const known of this.#renewals.keys()) if (!here.has(known)) this.#renewals.delete(known);
    const over: FoundLifeline[] = [];
    for (const one of found) {
      // Also of a guard that is well: when it last renewed has to be known before it does not any more.
      const overdue = await this.#overdue(one.incarnation);
      if (!this.#renewals.has(one.incarnation)) continue;
      if (one.guard === "gone" || (one.guard === "stopped" && overdue)) over.push(one);
    }
    if (over.length > 0) await this.#cut(over);
  }

  /**
   * True when a lease that was seen here has not been renewed for as long as any guard waits before it kills: this one did not, so it
   * cannot. @throws RuntimeError `BrokerUnavailable`: nothing is known then.
   */
  async #overdue(incarnation: string): Promise<boolean> {
    const { leases, clock, leaseTtlMs } = this.#parts;
    const seen = this.#renewals.get(incarnation);
    const entry = await leases.get(incarnation);
    const now = clock.monotonicMs();
    if (entry && entry.revision !== seen?.revision) {
      this.#renewals.set(incarnation, { revision: entry.revision, sinceMs: now });
      return false;
    }
    return seen !== undefined && now - seen.sinceMs >= (leaseTtlMs * 2) / 3;
  }

  async #cut(over: readonly FoundLifeline[]): Promise<void> {
    const { place, logger } = this.#parts;
    const { swept, stuck } = await place.cutAll(over);
    if (swept.length > 0) logger.warn({ swept }, "killed what another runner of this place left");
    const fresh = stuck.filter((one) => !this.#stuck.has(one));
    for (const one of fresh) this.#stuck.add(one);
    if (fresh.length > 0)
      logger.error({ stuck: fresh }, "cannot kill what another runner of this place left");
  }
}
