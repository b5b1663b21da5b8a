// Owns the only source of chance in a simulation: numbers from a seed (mulberry32), the same for the same seed on every machine.
export interface Random {
  /** A whole number from 0 to `below - 1`. */
  below(below: number): number;
  /** True with this probability, 0 to 1. */
  chance(probability: number): boolean;
  /** One of them. @throws RangeError of none. */
  pick<T>(from: readonly T[]): T;
  /** A number from `least` to `most`, both included. */
  between(least: number, most: number): number;
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (from) => {
      if (from.length === 0) throw new RangeError("nothing to pick from");
      return from[below(from.length)]!;
    },
    between: (least, most) => least + below(most - least + 1),
  };
}
