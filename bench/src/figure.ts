/** What a scenario finds out: figures, each beside its floor and its bar, and checks that must hold. */

/** `higher`: more is better, as for rates. */
type Direction = "higher" | "lower";

export interface Bar {
  /** In the words of the issue. */
  text: string;
  holds: boolean;
}
export interface Figure {
  name: string;
  value: number;
  unit: string;
  /** Measured in the same run by code that shares nothing with the product. */
  floor?: { name: string; value: number };
  /** value / floor. */
  ratio?: number;
  bar?: Bar;
  /** How many samples or repetitions it rests on. */
  samples?: number;
  /** What else is worth keeping: percentiles, breakdowns. */
  detail?: Record<string, unknown>;
}
/** Something that is either so or not: nothing lost, nothing out of order. */
export interface Check {
  name: string;
  holds: boolean;
  found: string;
}
export interface Findings {
  figures: Figure[];
  checks: Check[];
}

type Extra = Pick<Figure, "samples" | "detail">;

/** A figure without a floor; `bar` is kept when the value is on the right side of `limit`. */
export function figure(
  name: string,
  value: number,
  unit: string,
  bar?: { direction: Direction; limit: number },
  extra: Extra = {},
): Figure {
  return {
    name,
    value,
    unit,
    ...(bar ? { bar: barOf(value, bar, unit) } : {}),
    ...extra,
  };
}

/** A figure beside its floor; the bar is a limit on the ratio of the two. */
export function besideFloor(
  name: string,
  value: number,
  unit: string,
  floor: { name: string; value: number },
  bar?: { direction: Direction; limit: number },
  extra: Extra = {},
): Figure {
  const ratio = value / floor.value;
  return {
    name,
    value,
    unit,
    floor,
    ratio,
    ...(bar ? { bar: barOf(ratio, bar, "x floor") } : {}),
    ...extra,
  };
}

function barOf(value: number, bar: { direction: Direction; limit: number }, unit: string): Bar {
  const more = bar.direction === "higher";
  return {
    text: `${more ? "at least" : "at most"} ${bar.limit} ${unit}`,
    holds: more ? value >= bar.limit : value <= bar.limit,
  };
}

export const check = (name: string, holds: boolean, found: string): Check => ({
  name,
  holds,
  found,
});
