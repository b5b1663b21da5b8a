// Owns how parameters of statements are read, and the shape of answers. The shell vouches for their types, as it does before a real server.
import type { Answer } from "../store.js";

export const textOf = (values: readonly unknown[], at: number): string => String(values[at]);
export const numberOf = (values: readonly unknown[], at: number): number => Number(values[at]);
/** An array parameter. */
export const listOf = <T>(values: readonly unknown[], at: number): readonly T[] =>
  values[at] as readonly T[];

/** Of a select, or of a change that returns what it changed. */
export const answer = (rows: object[]): Answer => ({ rows, rowCount: rows.length });
/** Of a change that returns nothing. */
export const changed = (rowCount: number): Answer => ({ rows: [], rowCount });

/** `order by` one value, ascending; stable, so that equal ones stay as they are. */
export const sorted = <T>(rows: readonly T[], ...by: ((row: T) => string | number)[]): T[] =>
  rows.toSorted((a, b) => {
    for (const value of by) {
      const [first, second] = [value(a), value(b)];
      if (first !== second) return first < second ? -1 : 1;
    }
    return 0;
  });

/** `to_char(… at time zone 'utc', 'YYYY-MM')`. */
export const monthOf = (ms: number): string => new Date(ms).toISOString().slice(0, 7);
