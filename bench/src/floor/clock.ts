/**
 * One clock for all processes of a bench: CLOCK_REALTIME in microseconds, which is what `date` prints too,
 * so that a time written by a started process can be compared with ours.
 */

/** A difference of two such times is exact to some microseconds; a double holds them until the year 2255. */
export type Micros = number;

/**
 * What the system's clock is ahead of the monotonic one, ms. Date.now() has whole milliseconds: wait for one to
 * begin, and look at both. Being interrupted in between only ever makes it too small: the largest of some counts.
 */
function readOffset(): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let look = 0; look < 5; look += 1) {
    const before = Date.now();
    let now = before;
    while (now === before) now = Date.now();
    largest = Math.max(largest, now - performance.now());
  }
  return largest;
}

const offsetMs = readOffset();

/** Now. A step of the system's clock after the start of the process is not seen: `clockDriftMs` is. */
export const nowMicros = (): Micros => Math.round((offsetMs + performance.now()) * 1_000);

/** How far the system's clock has moved from ours, in ms; more than one spoils a measurement. */
export const clockDriftMs = (): number => Math.abs(readOffset() - offsetMs);

/** Reads what `date +%s%N` printed; NaN for anything else. */
export const parseDate = (text: string): Micros =>
  /^\d{19}\s*$/.test(text) ? Number(BigInt(text.trim()) / 1_000n) : Number.NaN;
