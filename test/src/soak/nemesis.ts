// Owns the course of faults: period after period what is planned happens, and is over before the next. Remembers what happened when.
// Knows no kind of fault.
import { setTimeout as pause } from "node:timers/promises";
import { createRandom } from "../simulation/machine/random.js";
import { faultKinds, type FaultScene } from "./faults.js";
import type { Ground } from "./ground.js";
import { planPeriod } from "./plan.js";

/** One fault as it happened; times in ms since 1970. */
export interface Caused {
  kind: string;
  victim: string;
  /** Alone in its period: what followed is its own. */
  alone: boolean;
  beganAt: number;
  /** From when on the system could recover. */
  clearedAt: number;
  endedAt: number;
}
/** From when to when nothing was broken, ms since 1970. */
export interface Span {
  from: number;
  to: number;
}
export interface Course {
  faults: Caused[];
  /** Between the last fault's end, with the time to recover, and the next period. */
  quiet: Span[];
}
export interface NemesisOptions {
  seed: number;
  periods: number;
  periodMs: number;
  signal: AbortSignal;
  losing: () => void;
  say: (line: string) => void;
}

/** The bar of the slowest recovery but a wiped store's: Postgres's. */
const recoveryMs = 5_000;

/** All periods, one after the other. @throws Error when a fault cannot be healed. */
export async function plague(ground: Ground, options: NemesisOptions): Promise<Course> {
  const random = createRandom(options.seed);
  const course: Course = { faults: [], quiet: [] };
  for (let period = 0; period < options.periods && !options.signal.aborted; period += 1) {
    const from = Date.now();
    const planned = planPeriod(faultKinds, random);
    options.say(
      `period ${period + 1}/${options.periods}: ${planned.map(({ kind }) => kind.name).join(", ") || "none"}`,
    );
    const victimIndex = period < options.periods / 2 ? 0 : 1;
    const results = await Promise.allSettled(
      planned.map(async ({ kind, afterMs, seed }) => {
        await pause(afterMs);
        const beganAt = Date.now();
        let clearedAt: number | undefined;
        const scene: FaultScene = {
          ground,
          random: createRandom(seed),
          victimIndex,
          cleared: () => (clearedAt ??= Date.now()),
          losing: options.losing,
        };
        await kind.cause(scene);
        const endedAt = Date.now();
        const { name, victim } = kind;
        const alone = planned.length === 1;
        course.faults.push({
          kind: name,
          victim,
          alone,
          beganAt,
          clearedAt: clearedAt ?? endedAt,
          endedAt,
        });
      }),
    );
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
    const quietFrom = planned.length === 0 ? Date.now() : Date.now() + recoveryMs;
    const to = from + options.periodMs;
    await pause(Math.max(0, to - Date.now()), undefined, { signal: options.signal }).catch(
      () => undefined,
    );
    if (quietFrom < Date.now()) course.quiet.push({ from: quietFrom, to: Date.now() });
  }
  return course;
}
