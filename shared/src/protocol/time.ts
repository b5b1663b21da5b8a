/** Time as values: decisions get the moment of their message and never read a clock. */

let lastMs = Number.NaN;
let lastText = "";

/**
 * ISO 8601 in UTC with milliseconds. Pure: equal input, equal text. The last one is remembered, since a
 * decision writes the moment of its message into a dozen rows (2 % of an actor's CPU when measured).
 */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}

/** ISO 8601 or null back to milliseconds since 1970. */
export const timeOf = (iso: string | null | undefined): number | null =>
  iso ? Date.parse(iso) : null;
