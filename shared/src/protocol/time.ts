/** Time as values: decisions get the moment of their message and never read a clock. */

/** ISO 8601 in UTC with milliseconds. Pure: equal input, equal text. */
export const isoTime = (ms: number): string => new Date(ms).toISOString();

/** ISO 8601 or null back to milliseconds since 1970. */
export const timeOf = (iso: string | null | undefined): number | null =>
  iso ? Date.parse(iso) : null;
