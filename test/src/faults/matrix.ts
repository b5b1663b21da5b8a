// Owns the list of rows of the fault matrix: what is done to the system in each, and what has to come of it. A row's file is
// `f<number>-<name>.test.ts`; each of its tests has the row in its title, as in `[F5]`. docs/reliability.md shows the list.

export interface Row {
  /** `F1` to `F30`. */
  readonly id: string;
  /** What happens, in a few words. */
  readonly fault: string;
  /** What has to come of it, beside what holds for all rows. */
  readonly outcome: string;
}

const rows: readonly (readonly [fault: string, outcome: string])[] = [
  [
    "a gateway is killed in the middle of requests",
    "asked again with the same key there is one run; followers of a log go on at another gateway, every byte once",
  ],
  [
    "an actor host is killed, at random and between any two steps of a batch",
    "its agents are woken again within its lease and 1 s; what it owed is done by the next one, once",
  ],
  [
    "a runner is killed while its agents' processes live, or its guard, or both",
    "trees die first; then attempts are repeated or failed: within 3 s by the guard, within the lease and 2 s without one",
  ],
  [
    "a runner is killed after a process has ended and before its end is committed",
    "counted and told; started again only under another attempt's number",
  ],
  [
    "an actor host is frozen past its lease, then thawed",
    "another takes over; what the thawed one still writes is refused by Postgres, and it joins again",
  ],
  [
    "a runner is frozen past its lease, then thawed",
    "repeated only when the trees are dead; what the thawed one says of them changes nothing",
  ],
  [
    "nats-server or Postgres is frozen",
    "callers are answered in time, memory is bounded, all goes on",
  ],
  [
    "nats-server is killed and comes back at once, or later",
    "work goes on within 3 s of its return; an outage of 15 s ends no agent's process",
  ],
  [
    "a cluster of three nats-servers loses its leader, two of three, all in turn",
    "nothing acknowledged is lost; without a majority nothing is acknowledged",
  ],
  [
    "JetStream's store or its lock bucket is wiped",
    "rebuilt from Postgres; all that was live or queued is accounted for within 15 s, and nothing starts twice",
  ],
  [
    "JetStream's store is rolled back, or its last block damaged",
    "nothing is applied twice, later wakes are not swallowed",
  ],
  [
    "Postgres is killed: the postmaster, one session, all sessions",
    "work goes on within 5 s of its return; nothing is written by half",
  ],
  ["the reply is lost after a commit, or after JetStream has stored a message", "it happened once"],
  [
    "a service is cut off from NATS, from Postgres, from both, in one direction",
    "it stops before its lease ends; others go on; trees are dead before their runs are repeated",
  ],
  ["slow and narrow links", "slower, and nothing else: no lease is lost"],
  [
    "a disk is full: NATS', Postgres', a runner's",
    "refused and said so, nothing is lost unnoticed, all goes on when there is room",
  ],
  ["a service's clock jumps", "leases do not notice; times stay in order"],
  [
    "everything is said twice and more, late and out of order",
    "one effect each, and no row changes",
  ],
  [
    "garbage, oversized and poisonous messages",
    "dead letters; the mailbox goes on within a second",
  ],
  [
    "somebody reads slowly",
    "held up alone, or let go with a reason; the run and others do not wait",
  ],
  [
    "processes that ignore SIGTERM, become daemons, fork without end",
    "dead within grace and 1 s of their cancel, and then the next one starts",
  ],
  ["floods of output", "the log is whole, memory is bounded, others get through"],
  ["output that is not text", "the log is exact, what is shown of it is valid"],
  [
    "a process or its runner runs out of memory",
    "a failed run that names the signal; a lost runner as in F3",
  ],
  [
    "Postgres is out of connections, or a gateway of its own",
    "refused within 2 s with a time to ask again; no host loses its lease",
  ],
  ["deadlocks, waits for locks, serialization failures", "tried again, one effect"],
  ["a run's end meets its cancellation, or has no beginning", "one end, and the right one"],
  [
    "everybody at once: equal wakes, one issue for all, a full mailbox at the start",
    "one run for equal wakes, one process on an issue, and what waited is worked off in order",
  ],
  [
    "versions and services are replaced while work goes on",
    "handed over within 500 ms, nothing lost or repeated; a version that does not fit refuses to start",
  ],
  [
    "two of everything from the start; one of each kind is killed, alone and together",
    "every run succeeds, with one repetition at most",
  ],
];

export const matrix: readonly Row[] = rows.map(([fault, outcome], at) => ({
  id: `F${at + 1}`,
  fault,
  outcome,
}));

/** How the name of a row's file begins. */
export function filePrefix({ id }: Row): string {
  return `f${id.slice(1).padStart(2, "0")}-`;
}

/** The row that a file shows, if it is one of the matrix's. */
export function rowOf(fileName: string): Row | undefined {
  return fileName.endsWith(".test.ts")
    ? matrix.find((row) => fileName.startsWith(filePrefix(row)))
    : undefined;
}

/** As docs/reliability.md shows it: a line for each row. */
export function matrixLines(): string {
  return matrix.map(({ id, fault, outcome }) => `- **${id}** ${fault}: ${outcome}`).join("\n");
}
