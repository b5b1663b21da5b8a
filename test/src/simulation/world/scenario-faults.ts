// Owns what goes wrong in a simulated fleet, as data drawn from chance. Knows nothing of how it is done to it.
import type { Random } from "../machine/random.js";
import type { Fleet } from "./scenario-operations.js";

/** A process of the fleet, by its place. */
export type Target = { kind: "host" | "runner" | "guard" | "publisher"; at: number };

/** Statements of a batch, by what they are to it. */
export type BatchStatement = "read" | "commit";

interface During {
  atMs: number;
  /** Until the world undoes it, ms; 0: it happens once. */
  forMs: number;
}
export type Fault = During &
  (
    | { kind: "kill"; target: Target }
    /** Asked to end: hands over, drains. Started again afterwards. */
    | { kind: "stop"; target: Target }
    | { kind: "freeze"; target: Target }
    /** The same at the instant at which the store carries out a statement of a batch: a read, or the commit. */
    | { kind: "kill-at"; target: Target; statement: BatchStatement }
    /** `thawAfterMs`: so soon after somebody has taken its partitions over, at the latest at the end of the fault. */
    | { kind: "freeze-at"; target: Target; statement: BatchStatement; thawAfterMs: number }
    /** Off the network of NATS, both ways. */
    | { kind: "cut"; target: Target }
    /** Every hop of NATS takes up to so long. */
    | { kind: "slow"; hopMaxMs: number }
    /** The connection breaks, and with it what was under way in it. */
    | { kind: "reset"; target: Target }
    /** The next so many things sent one way are lost, each with its connection. */
    | { kind: "lost"; target: Target; way: "to-server" | "to-client"; count: number }
    | { kind: "nats-down" }
    /** Connections stay, nothing moves. */
    | { kind: "nats-frozen" }
    | { kind: "nats-wiped" }
    /** The store as it was `backMs` before. */
    | { kind: "nats-rolled-back"; backMs: number }
    | { kind: "bucket-wiped"; bucket: "issue-locks" | "runner-leases" }
    | { kind: "readers-lost" }
    /** Of the reads of a bucket so many show the value before the last, 0 to 1. */
    | { kind: "stale-reads"; share: number }
    | { kind: "store-away" }
    /** Of the target's statements, or of its commits and the questions after them, so many are carried out and never answered. */
    | { kind: "answers-lost"; target: Target; share: number; commitsAlone: boolean }
    | { kind: "wrong-clock"; target: Target; byMs: number }
    /** What was published before arrives a second time. */
    | { kind: "duplicates"; share: number }
  );
export type FaultKind = Fault["kind"];

export const faultKinds: readonly FaultKind[] = [
  "kill",
  "stop",
  "freeze",
  "kill-at",
  "freeze-at",
  "cut",
  "slow",
  "reset",
  "lost",
  "nats-down",
  "nats-frozen",
  "nats-wiped",
  "nats-rolled-back",
  "bucket-wiped",
  "readers-lost",
  "stale-reads",
  "store-away",
  "answers-lost",
  "wrong-clock",
  "duplicates",
];

/** What processes do to each other by stopping and going on is most of what can go wrong: it is drawn more often. */
const drawn: readonly FaultKind[] = [
  ...faultKinds,
  "freeze",
  "freeze",
  "freeze",
  "freeze-at",
  "kill",
];

export function faultsOf(random: Random, fleet: Fleet, untilMs: number): Fault[] {
  // A scenario favours a few kinds: faults that always come together hide each other.
  const favoured = Array.from({ length: random.between(1, 3) }, () => random.pick(drawn));
  const count = random.between(1, 5);
  const faults = Array.from({ length: count }, () =>
    faultOf(random, fleet, random.pick(favoured), random.below(untilMs)),
  ).sort((a, b) => a.atMs - b.atMs);
  return withoutHalfMachines(faults);
}

function faultOf(random: Random, fleet: Fleet, kind: FaultKind, atMs: number): Fault {
  const host = (): Target => ({ kind: "host", at: random.below(fleet.hosts) });
  const runner = (): Target => ({ kind: "runner", at: random.below(fleet.runners.length) });
  const guard = (): Target => ({ kind: "guard", at: random.below(fleet.runners.length) });
  const anyOf = (...targets: (() => Target)[]): Target => random.pick(targets)();
  // Around a host's lease (3 s) and well beyond a runner's (9 s).
  const forMs = random.pick([200, 1_000, 2_800, 3_500, 7_000, 14_000]);
  switch (kind) {
    case "kill":
      return {
        kind,
        atMs,
        forMs: random.pick([50, 1_000, 5_000]),
        target: anyOf(host, host, runner, guard),
      };
    case "stop":
      return { kind, atMs, forMs: random.pick([500, 4_000]), target: anyOf(host, runner) };
    case "freeze":
      // The last is longer than any lease and what follows from its end.
      return {
        kind,
        atMs,
        forMs: random.pick([forMs, 22_000]),
        target: anyOf(host, runner, runner, guard),
      };
    case "kill-at":
      return {
        kind,
        atMs,
        forMs: random.pick([500, 2_000, 5_000]),
        target: host(),
        statement: random.pick(["read", "commit"]),
      };
    case "freeze-at":
      return {
        kind,
        atMs,
        forMs: random.pick([1_000, 5_000, 9_000]),
        target: host(),
        statement: random.pick(["read", "commit"]),
        thawAfterMs: random.pick([0, 20, 60, 200, 20_000]),
      };
    case "cut":
      return { kind, atMs, forMs, target: anyOf(host, runner) };
    case "slow":
      return { kind, atMs, forMs: random.between(1, 6) * 1_000, hopMaxMs: random.pick([100, 600]) };
    case "reset":
      return {
        kind,
        atMs,
        forMs: 0,
        target: anyOf(host, runner, () => ({ kind: "publisher", at: 0 })),
      };
    case "lost":
      return {
        kind,
        atMs,
        forMs: 0,
        target: anyOf(host, host, runner),
        way: random.pick(["to-server", "to-client"]),
        count: random.between(1, 3),
      };
    case "nats-down":
    case "nats-frozen":
      return { kind, atMs, forMs };
    case "stale-reads":
      return { kind, atMs, forMs, share: random.pick([0.1, 0.5]) };
    case "nats-wiped":
      return { kind, atMs, forMs: random.pick([0, 500, 3_000]) };
    case "nats-rolled-back":
      return { kind, atMs, forMs: random.pick([0, 500]), backMs: random.pick([50, 500, 4_000]) };
    case "bucket-wiped":
      return {
        kind,
        atMs,
        forMs: 0,
        bucket: random.pick(["issue-locks", "issue-locks", "runner-leases"]),
      };
    case "readers-lost":
      return { kind, atMs, forMs: 0 };
    case "store-away":
      return { kind, atMs, forMs: random.pick([200, 2_000, 4_500]) };
    case "answers-lost":
      return {
        kind,
        atMs,
        forMs: random.between(1, 5) * 1_000,
        target: host(),
        share: random.pick([0.1, 0.5, 0.8]),
        commitsAlone: random.chance(0.5),
      };
    case "wrong-clock":
      return {
        kind,
        atMs,
        forMs: random.between(2, 8) * 1_000,
        target: anyOf(host, runner),
        byMs: random.pick([-3_600_000, -5_000, 5_000, 3_600_000]),
      };
    case "duplicates":
      return { kind, atMs, forMs: random.between(1, 5) * 1_000, share: random.pick([0.1, 0.5]) };
  }
}

/** How long after the thaw of one half the other may freeze, ms: time enough for it to act on what it missed. */
const apartMs = 2_000;

/**
 * A runner and its guard watch each other: of one machine, only one may be frozen or gone at a time. Both at once is a frozen
 * machine, and what that leaves open is written in docs/simulation.md.
 */
function withoutHalfMachines(faults: readonly Fault[]): Fault[] {
  const kept: Fault[] = [];
  for (const fault of faults) {
    const overlaps = kept.some(
      (other) => fault.atMs < other.atMs + other.forMs + apartMs && sameMachine(fault, other),
    );
    if (!overlaps) kept.push(fault);
  }
  return kept;
}

const stills = new Set<FaultKind>(["kill", "stop", "freeze"]);
const machineOf = (fault: Fault): number | null =>
  "target" in fault &&
  stills.has(fault.kind) &&
  (fault.target.kind === "runner" || fault.target.kind === "guard")
    ? fault.target.at
    : null;
const sameMachine = (one: Fault, other: Fault): boolean =>
  machineOf(one) !== null && machineOf(one) === machineOf(other);
