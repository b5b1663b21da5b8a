/**
 * One clock for all processes of a bench: CLOCK_REALTIME in microseconds, which is what `date` prints too,
 * so that a time written by a started process can be compared with ours.
 */

/** A difference of two such times is exact to some microseconds; a double holds them until the year 2255. */
export type Micros = number;

// Date.now() has whole milliseconds: wait for one to begin, and count from there by the monotonic clock.
const offsetMs = ((): number => {
  const before = Date.now();
  let now = before;
  while (now === before) now = Date.now();
  return now - performance.now();
})();

/** Now. A step of the system's clock after the start of the process is not seen: `clockDriftMs` is. */
export const nowMicros = (): Micros => Math.round((offsetMs + performance.now()) * 1_000);

/** How far the system's clock has moved from ours, in ms; more than one or two spoil a measurement. */
export const clockDriftMs = (): number => Math.abs(Date.now() - nowMicros() / 1_000);

/** Reads what `date +%s%N` printed; NaN for anything else. */
export const parseDate = (text: string): Micros =>
  /^\d{19}\s*$/.test(text) ? Number(BigInt(text.trim()) / 1_000n) : Number.NaN;
