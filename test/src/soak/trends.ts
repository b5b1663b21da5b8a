// Owns the trends in samples: the slope of a series after its warm-up, for each life of a process and for the totals of the system. Pure.
// Of each minute the lowest value counts: load comes and goes, and what is never given back is there at the quietest moment too.
import type { Sample } from "./samples.js";

export interface Trend {
  /** `runner-0 life 3`, or a total. */
  what: string;
  minutes: number;
  /** Change a minute after the warm-up: least squares. */
  slope: number;
  unit: string;
  first: number;
  last: number;
  /** Long enough to say something; only these are compared with a bar. */
  judged: boolean;
}
interface Point {
  at: number;
  value: number;
}

/** A fourth of a life, a minute at least: caches fill, the heap finds its size. */
const warmUpShare = 0.25;
const warmUpMs = 60_000;
/** Shorter ones say nothing: collections of garbage make steps of some MB, a few minutes apart. */
const judgedMs = 8 * 60_000;

export function trendsOf(samples: readonly Sample[]): Trend[] {
  const lives = new Map<string, { place: string; points: Record<string, Point[]> }>();
  const totals = new Map<string, Point[]>();
  const numbers = new Map<string, number>();
  for (const { at, processes, totals: seen } of samples) {
    for (const { place, pid, rssMb, heapMb, descriptors } of processes) {
      const key = `${place} ${pid}`;
      let life = lives.get(key);
      if (!life) {
        const number = (numbers.get(place) ?? 0) + 1;
        numbers.set(place, number);
        life = { place: `${place} life ${number}`, points: {} };
        lives.set(key, life);
      }
      const values = { "MB live": heapMb, "MB resident": rssMb, descriptors };
      for (const [unit, value] of Object.entries(values))
        if (value !== undefined) (life.points[unit] ??= []).push({ at, value });
    }
    for (const [name, value] of Object.entries(seen))
      totals.set(name, [...(totals.get(name) ?? []), { at, value }]);
  }
  return [
    ...[...lives.values()].flatMap(({ place, points }) =>
      Object.entries(points).flatMap(([unit, of]) => trendOf(place, unit, of)),
    ),
    ...[...totals].flatMap(([name, points]) => trendOf("system", name, points)),
  ];
}

function trendOf(what: string, unit: string, points: readonly Point[]): Trend[] {
  if (points.length < 2) return [];
  const lengthMs = points.at(-1)!.at - points[0]!.at;
  const from = points[0]!.at + Math.max(warmUpMs, lengthMs * warmUpShare);
  const kept = lowest(points.filter(({ at }) => at >= from));
  if (kept.length < 3) return [];
  return [
    {
      what,
      unit,
      minutes: lengthMs / 60_000,
      slope: slopeOf(kept) * 60_000,
      first: kept[0]!.value,
      last: kept.at(-1)!.value,
      judged: lengthMs >= judgedMs,
    },
  ];
}

/** The lowest point of each minute. */
function lowest(points: readonly Point[]): Point[] {
  const minutes = new Map<number, Point>();
  for (const point of points) {
    const minute = Math.floor((point.at - points[0]!.at) / 60_000);
    const low = minutes.get(minute);
    if (!low || point.value < low.value) minutes.set(minute, point);
  }
  return [...minutes.values()];
}

/** Least squares, per ms. */
export function slopeOf(points: readonly Point[]): number {
  const count = points.length;
  const meanAt = points.reduce((sum, { at }) => sum + at, 0) / count;
  const mean = points.reduce((sum, { value }) => sum + value, 0) / count;
  let above = 0;
  let below = 0;
  for (const { at, value } of points) {
    above += (at - meanAt) * (value - mean);
    below += (at - meanAt) ** 2;
  }
  return below === 0 ? 0 : above / below;
}
