// Owns the list of rows of the fault matrix: what is done to the system in each, and which file shows what comes of it. A row's file is
// `f<number>-<name>.test.ts`; each of its tests has the row in its title, as in `[F5]`.

export interface Row {
  /** `F1` to `F30`. */
  readonly id: string;
  /** What happens, in a few words. */
  readonly fault: string;
}

const faults = [
  "a gateway is killed in the middle of requests",
  "an actor host is killed, at random and between any two steps of a batch",
  "a runner is killed while its agents' processes live",
  "a runner is killed after a process has ended and before its end is committed",
  "an actor host is frozen past its lease, then thawed",
  "a runner is frozen past its lease, then thawed",
  "nats-server or Postgres is frozen",
  "nats-server is killed and comes back at once, or later",
  "a cluster of three nats-servers loses its leader, two of three, all in turn",
  "JetStream's store is wiped",
  "JetStream's store is rolled back, or its last block damaged",
  "Postgres is killed: the postmaster, one session, all sessions",
  "the reply is lost after a commit, or after JetStream has stored a message",
  "a service is cut off from NATS, from Postgres, from both, in one direction",
  "slow and narrow links",
  "a disk is full: NATS', Postgres', a runner's",
  "a service's clock jumps",
  "messages come twice, and out of their order",
  "garbage, oversized and poisonous messages",
  "somebody reads slowly",
  "processes that ignore SIGTERM, become daemons, fork without end",
  "floods of output",
  "output that is not text",
  "a process or its runner runs out of memory",
  "Postgres is out of connections",
  "deadlocks, waits for locks, serialization failures",
  "a run's end meets its cancellation, or has no beginning",
  "everybody at once",
  "versions and hosts are replaced while work goes on",
  "two of everything from the start",
] as const;

export const matrix: readonly Row[] = faults.map((fault, at) => ({ id: `F${at + 1}`, fault }));

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
