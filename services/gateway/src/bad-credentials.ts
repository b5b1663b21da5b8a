/**
 * Slows down whoever shows bad credentials again and again: after so many from one address, others from
 * there are refused unseen for the rest of the minute. Credentials that were good a while ago are always
 * looked at, because many callers may share an address.
 */
import { createHash } from "node:crypto";
import { overloaded } from "./errors.js";

export interface BadCredentials {
  /** Before a credential is looked up. @throws HttpError 429. */
  admit(address: string, credential: string): void;
  /** What the look-up found. */
  note(address: string, credential: string, good: boolean): void;
}

/** A person mistypes a few times, a broken client a few times a second: 100 a minute is somebody guessing. */
const failuresMax = 100;
const windowMs = 60_000;
/** Addresses and good credentials that are remembered, about 1 MB each; the oldest go first. */
const rememberedMax = 10_000;

/** @param nowMs a clock that never goes back, for tests. */
export function createBadCredentials(nowMs = () => performance.now()): BadCredentials {
  const failures = new Map<string, { count: number; since: number }>();
  const good = new Map<string, true>();
  const digest = (credential: string): string =>
    createHash("sha256").update(credential).digest("base64url");
  return {
    admit: (address, credential) => {
      const failed = failures.get(address);
      if (!failed || failed.count < failuresMax) return;
      const leftMs = failed.since + windowMs - nowMs();
      if (leftMs <= 0) failures.delete(address);
      else if (!good.has(digest(credential)))
        throw overloaded(429, "Too many bad credentials", Math.ceil(leftMs / 1_000));
    },
    note: (address, credential, isGood) => {
      if (isGood) return remember(good, digest(credential), true);
      good.delete(digest(credential));
      const failed = failures.get(address);
      const fresh = failed && failed.since + windowMs > nowMs();
      remember(
        failures,
        address,
        fresh ? { ...failed, count: failed.count + 1 } : { count: 1, since: nowMs() },
      );
    },
  };
}

/** Sets a key, which becomes the newest; the oldest goes when there are too many. */
function remember<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > rememberedMax) map.delete(map.keys().next().value!);
}
