/**
 * Named places at which a test may end or freeze this process, as a kill -9 or a SIGSTOP at exactly that
 * instant would. Off unless `REVEILLE_FAILPOINT` names a place; the places are those between two steps of
 * a protocol that a fault must not tear, and each service's code says at the place what is redone after it.
 */
import { writeSync } from "node:fs";

export const failpointPlaces = [
  /** actor host: a batch is in Postgres, none of its effects has gone out. */
  "after-commit",
] as const;
export type FailpointPlace = (typeof failpointPlaces)[number];
/** Called at each place; returns, or never. */
export type Failpoint = (place: FailpointPlace) => void;

const signals = { kill: "SIGKILL", freeze: "SIGSTOP" } as const;
type Action = keyof typeof signals;

/** `<place>:<n>` or `<place>:<n>:freeze`, n from 1: it happens when the process comes to the place for the n-th time. */
export const failpointPattern = new RegExp(
  `^(${failpointPlaces.join("|")}):([1-9]\\d{0,5})(?::(${Object.keys(signals).join("|")}))?$`,
);

const standardError = 2;

/** The failpoint that a checked setting asks for; without one it does nothing. */
export function createFailpoint(setting: string | undefined): Failpoint {
  const [, wanted, times, action = "kill"] = failpointPattern.exec(setting ?? "") ?? [];
  if (wanted === undefined) return () => undefined;
  let left = Number(times);
  return (place) => {
    if (place !== wanted) return;
    left -= 1;
    if (left !== 0) return;
    // Written at once and not by the logger: nothing that is buffered survives the next line.
    writeSync(standardError, `failpoint ${place} was hit\n`);
    process.kill(process.pid, signals[action as Action]);
  };
}
