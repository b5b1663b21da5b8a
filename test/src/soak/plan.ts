// Owns which faults come in a period and when: a random part of the kinds from the seed, none in one period of four (Jepsen's way of
// mixing packages). Pure.
import type { Random } from "../simulation/machine/random.js";
import type { FaultKind, Victim } from "./faults.js";

export interface PlannedFault {
  kind: FaultKind;
  /** Ms from the beginning of the period. */
  afterMs: number;
  /** Of its own chances. */
  seed: number;
}

const quietShare = 0.25;
/** So many victims at once at most: with more the system is away most of the time, and nothing is shown. */
const victimsMax = 3;
/** Faults begin within it, so that they overlap. */
const beginMs = 4_000;

/** One fault each for some victims. */
export function planPeriod(kinds: readonly FaultKind[], random: Random): PlannedFault[] {
  if (random.chance(quietShare)) return [];
  const victims = [...new Set(kinds.map(({ victim }) => victim))];
  const chosen: Victim[] = [];
  const wanted = random.between(1, Math.min(victimsMax, victims.length));
  while (chosen.length < wanted)
    chosen.push(random.pick(victims.filter((victim) => !chosen.includes(victim))));
  return chosen.map((victim) => ({
    kind: random.pick(
      kinds
        .filter((kind) => kind.victim === victim)
        .flatMap((kind) => Array.from({ length: kind.weight }, () => kind)),
    ),
    afterMs: random.below(beginMs),
    seed: random.below(2 ** 31),
  }));
}
