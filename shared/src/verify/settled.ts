/**
 * Looking twice: Postgres and NATS never change in one step, so a difference between them is a violation only when it stays. What was
 * wrong at every look of the time to settle is told; what has come and gone, or come just now, is under way.
 */
import { pause } from "../runtime/clock.js";
import type { Evidence } from "./evidence.js";
import type { Found, Shown } from "./report.js";

export interface Look {
  looked: number;
  /** What is wrong at this moment, by what identifies it. */
  wrong: ReadonlyMap<string, Shown>;
}

/** 250 ms: a fraction of a hand-over, and no load. */
const intervalMs = 250;
/** From here on only every second: what takes longer waits for a lease or for reconciling. */
const patientMs = 2_000;
const patientIntervalMs = 1_000;

/** Looks until nothing stays wrong, at most for `settleMs`. */
export async function settled(evidence: Evidence, look: () => Promise<Look>): Promise<Found> {
  const { clock, settleMs, rowsMax } = evidence;
  const began = clock.monotonicMs();
  let { looked, wrong } = await look();
  let stays = new Map(wrong);
  for (;;) {
    const passedMs = clock.monotonicMs() - began;
    if (stays.size === 0 || passedMs >= settleMs) break;
    await pause(clock, passedMs < patientMs ? intervalMs : patientIntervalMs);
    ({ looked, wrong } = await look());
    stays = new Map([...wrong].filter(([id]) => stays.has(id)));
    // At rest nothing new may come either: what is wrong now was not made by anybody.
    if (evidence.atRest && stays.size === 0) stays = new Map(wrong);
  }
  return { looked, violations: stays.size, rows: [...stays.values()].slice(0, rowsMax) };
}
