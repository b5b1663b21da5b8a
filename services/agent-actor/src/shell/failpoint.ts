/**
 * Named places at which a test may end this process, as a kill -9 at exactly that instant would. Off
 * unless `REVEILLE_FAILPOINT` names a place; the places are those between two steps of a protocol that
 * a crash must not tear (`batch.ts` says what is redone after each).
 */
import { writeSync } from "node:fs";

/** `after-commit`: a batch is in Postgres, none of its effects has gone out. */
export type FailpointPlace = "after-commit";
/** Called at each place; returns, or never. */
export type Failpoint = (place: FailpointPlace) => void;

/** `<place>:<n>`, n from 1: the process ends when it comes to the place for the n-th time. */
export const failpointPattern = /^(after-commit):([1-9]\d{0,5})$/;

const standardError = 2;

/** The failpoint that a checked setting asks for; without one it does nothing. */
export function createFailpoint(setting: string | undefined): Failpoint {
  const [, wanted, times] = failpointPattern.exec(setting ?? "") ?? [];
  if (wanted === undefined) return () => undefined;
  let left = Number(times);
  return (place) => {
    if (place !== wanted) return;
    left -= 1;
    if (left > 0) return;
    // Written at once and not by the logger: nothing that is buffered survives the next line.
    writeSync(standardError, `failpoint ${place} was hit\n`);
    process.kill(process.pid, "SIGKILL");
  };
}
