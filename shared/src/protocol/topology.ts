/**
 * Streams, consumers and buckets as data: the one place that says what JetStream must hold. The
 * topology keeper makes it so and reads back what the server really created. Numbers of bytes are
 * what one machine can spare; a cluster's deployment raises them by environment.
 */
import type { Subjects } from "./subjects.js";

const seconds = (n: number): number => n * 1_000_000_000; // JetStream speaks nanoseconds

/** Names of streams and buckets below one prefix: `MAILBOX` for `rv`, `X_MAILBOX` for `x`. */
export function topologyNames(prefix: string) {
  const stream = (name: string): string =>
    prefix === "rv" ? name : `${prefix.toUpperCase()}_${name}`;
  const bucket = (name: string): string => (prefix === "rv" ? name : `${prefix}-${name}`);
  return {
    mailbox: stream("MAILBOX"),
    exec: stream("EXEC"),
    logs: stream("LOGS"),
    issueLocks: bucket("issue-locks"),
    runnerLeases: bucket("runner-leases"),
    /** The durable consumer of one runner pool. */
    poolConsumer: (pool: string): string => `exec_${pool}`,
  };
}
export type TopologyNames = ReturnType<typeof topologyNames>;

export interface TopologySizes {
  replicas: number;
  mailboxBytesMax: number;
  execBytesMax: number;
  logsBytesMax: number;
  logsAgeMaxSeconds: number;
  /** The lease of a runner's incarnation: bucket-wide TTL, renewed every sixth of it. */
  runnerLeaseTtlMs: number;
  /** Runner pools whose consumers the keeper makes; EXEC itself takes in every pool. */
  pools: readonly string[];
}
export const defaultSizes: TopologySizes = {
  replicas: 1,
  mailboxBytesMax: 2 * 1024 ** 3,
  execBytesMax: 1024 ** 3,
  logsBytesMax: 8 * 1024 ** 3,
  logsAgeMaxSeconds: 72 * 3600,
  runnerLeaseTtlMs: 30_000,
  pools: ["default"],
};

/** Everything that must exist, in the words of the JetStream API. */
export function topology(
  subjects: Subjects,
  generation: number,
  partitions: number,
  sizes: TopologySizes,
) {
  const names = topologyNames(subjects.prefix);
  const shared = { storage: "file", num_replicas: sizes.replicas, discard: "new" } as const;
  return {
    streams: [
      {
        ...shared,
        name: names.mailbox,
        subjects: subjects.mailboxes,
        retention: "limits",
        subject_transform: {
          src: subjects.mailboxTransformSource,
          dest: subjects.mailboxTransform(generation, partitions),
        },
        max_bytes: sizes.mailboxBytesMax,
        // Per agent and kind, so that wakes never crowd out reports. decide refuses far earlier
        // (maxQueuedRuns); this bounds what arrives while nobody decides.
        max_msgs_per_subject: 20_000,
        discard_new_per_subject: true,
        // Sameness is decided in Postgres; 100 ms is the server's minimum and keeps its table small.
        duplicate_window: 100_000_000,
        max_consumers: 8_192,
        allow_direct: true,
        max_age: 0,
      },
      {
        ...shared,
        name: names.exec,
        subjects: [subjects.executions],
        retention: "workqueue",
        max_bytes: sizes.execBytesMax,
        duplicate_window: 100_000_000,
        max_consumers: 256,
        allow_direct: true,
        max_age: 0,
      },
      {
        ...shared,
        name: names.logs,
        subjects: [subjects.logs],
        retention: "limits",
        discard: "old",
        max_bytes: sizes.logsBytesMax,
        max_age: seconds(sizes.logsAgeMaxSeconds),
        duplicate_window: 100_000_000,
        // One ordered consumer per follower that replays.
        max_consumers: 10_000,
        allow_direct: true,
      },
    ],
    buckets: [
      { name: names.issueLocks, ttlMs: 0, replicas: sizes.replicas },
      { name: names.runnerLeases, ttlMs: sizes.runnerLeaseTtlMs, replicas: sizes.replicas },
    ],
  } as const;
}

/**
 * The durable of one pool. `ack_wait` 5 s: a runner says `working()` every 1.5 s until it has its go, and an
 * execution that was on its way to a runner which died at that instant comes again within 5 s.
 */
export const poolConsumerConfig = (subjects: Subjects, pool: string) =>
  ({
    durable_name: topologyNames(subjects.prefix).poolConsumer(pool),
    filter_subject: subjects.poolExecutions(pool),
    ack_policy: "explicit",
    ack_wait: seconds(5),
    max_deliver: -1,
    // Above the slots of every runner of the pool together; an execution is un-acked only until its go.
    max_ack_pending: 20_000,
  }) as const;
