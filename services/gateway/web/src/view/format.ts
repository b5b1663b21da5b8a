/** Numbers, times and money as people read them. Pure. */

const units: readonly (readonly [string, number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** A duration with its one or two largest units: `1.2 s`, `3 min 4 s`, `2 d 1 h`. */
export function duration(ms: number): string {
  const left = Math.max(0, ms);
  if (left < 1_000) return `${Math.round(left)} ms`;
  if (left < 10_000) return `${(Math.floor(left / 100) / 10).toFixed(1)} s`;
  const first = units.findIndex(([, size]) => left >= size);
  const [unit, size] = units[first]!;
  const next = units[first + 1];
  const rest = next ? Math.floor((left % size) / next[1]) : 0;
  const head = `${Math.floor(left / size)} ${unit}`;
  return next && rest > 0 ? `${head} ${rest} ${next[0]}` : head;
}

/** How long something takes or took. @param now for what has not ended. */
export const between = (from: string | null, to: string | null, now: number): string =>
  from === null ? "–" : duration((to === null ? now : Date.parse(to)) - Date.parse(from));

/** How long ago, or in how long: one unit is enough. */
export function relative(at: string | null, now: number): string {
  if (at === null) return "–";
  const ms = Date.parse(at) - now;
  const [unit, size] = units.find(([, each]) => Math.abs(ms) >= each) ?? ["s", 1_000];
  const count = Math.round(Math.abs(ms) / size);
  if (count === 0) return "now";
  return ms < 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`;
}

/** To the second, in the reader's own zone. */
export const clockTime = (at: string): string =>
  new Date(at).toLocaleTimeString(undefined, { hour12: false });
export const dateTime = (at: string): string =>
  new Date(at).toLocaleString(undefined, { hour12: false });

export const money = (cents: number): string => `$${(cents / 100).toFixed(2)}`;
export const count = (value: number): string => value.toLocaleString("en-US");

export function bytes(value: number): string {
  if (value < 1_000) return `${value} B`;
  const names = ["kB", "MB", "GB"];
  const power = Math.min(names.length, Math.floor(Math.log10(value) / 3));
  return `${(value / 1_000 ** power).toFixed(1)} ${names[power - 1]}`;
}

/** The beginning of an id: enough to tell two on a page apart. */
export const shortId = (id: string): string => id.slice(0, 8);
