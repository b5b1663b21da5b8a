/**
 * Cuts text to a length without halving a character: half a surrogate pair is no text to Postgres, and
 * one of them would make a whole commit fail. Lengths are UTF-16 units, as the columns' bounds are.
 */

/** The first `max` units, or one fewer where the cut would halve a character. */
export function headOf(text: string, max: number): string {
  if (text.length <= max) return text;
  return text.slice(0, isHighHalf(text.charCodeAt(max - 1)) ? max - 1 : max);
}

/** The last `max` units, or one fewer where the cut would halve a character. */
export function tailOf(text: string, max: number): string {
  if (text.length <= max) return text;
  const start = text.length - max;
  return text.slice(isHighHalf(text.charCodeAt(start - 1)) ? start + 1 : start);
}

/** The first unit of a pair: what follows it belongs to it. */
const isHighHalf = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;
