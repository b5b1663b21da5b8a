/**
 * Named places at which a test may end or freeze this process, as a kill -9 or a SIGSTOP at exactly that
 * instant would. Off unless `REVEILLE_FAILPOINT` names a place; the places are those between two steps of
 * a protocol that a fault must not tear, and each service's code says at the place what is redone after it.
 */
import { writeSync } from "node:fs";

export const failpointPlaces = [
  /** actor host: partitions are its own and nothing of them was read. They are owned by a dead host: its lease ends, others take them. */
  "after-takeover",
  /** actor host: a run has a lock or a place in its queue and no row that says so. The same message comes again and finds the place. */
  "after-acquire",
  /** actor host: a batch is decided and not in Postgres. The same messages come again. */
  "before-commit",
  /** actor host: a batch is in Postgres, none of its effects has gone out. Reconciling does what its rows owe. */
  "after-commit",
  /** actor host: a run is over and still the holder in the bucket. Its row owes the release. */
  "before-release",
  /** actor host: the bucket has the next holder, which was not told. The row owes the release still, and granting is part of it. */
  "after-release",
  /** actor host: the next holder was told, the row still owes the release. It is released and told again. */
  "before-settle",
  /** runner: an attempt has its go and no process. Its guard says that it is lost. */
  "after-go",
  /** runner: every process of an attempt is dead, its result is known here alone. It cannot be recovered: its guard says that it is lost. */
  "after-exit",
  /** runner: the log is sealed, its guard knows the end, nobody else does. The guard reports it. */
  "before-report",
  /** runner: the end is stored, its guard still has the claim. What that says comes after the end and changes nothing. */
  "after-report",
  /** gateway: an agent's mailbox has what an approval does to it, the decision is not written. It can be decided again, and says it again. */
  "after-approval-command",
  /** gateway: a dead letter is in its mailbox again and still among the letters. Replayed again it is a repeat. */
  "after-letter",
  /** gateway: a company is open again, its agents were not told. They look by themselves. */
  "before-admission",
  /** gateway: what wakes follow is written and none is published. Any gateway publishes what is owed. */
  "before-owed",
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
