/**
 * What the bare pipeline has in common with the product, written out again because a floor imports none of
 * it: stream settings, partitions, batch bounds, subjects. `settings.test.ts` holds the two together.
 */

/** As in the product: partitions of the mailbox, messages a transaction, transactions in flight, prefetch. */
export const partitionCount = 64;
export const batchMax = 200;
export const batchesInFlight = 2;
export const prefetchMax = 256;

/** First token of every subject of the floor; also keeps its streams apart from the product's. */
export const prefix = "floor";
export const names = { mailbox: "FLOOR_MAILBOX", exec: "FLOOR_EXEC", logs: "FLOOR_LOGS" } as const;
export const poolConsumer = "exec_default";

/** The subjects of the design, below our prefix. */
export const subjects = {
  mailbox: (company: string, agent: string, kind: string): string =>
    `${prefix}.${company}.agent.${agent}.${kind}`,
  execution: (company: string, run: string): string =>
    `${prefix}.exec.pool.default.${company}.${run}.1`,
  answer: (runner: string): string => `${prefix}.runner.${runner}.answer`,
  stdout: (company: string, run: string): string => `${prefix}.${company}.run.${run}.log.stdout`,
} as const;

const shared = {
  storage: "file",
  num_replicas: 1,
  duplicate_window: 100_000_000,
  allow_direct: true,
} as const;

/** Streams with the product's durability and limits (below our prefix). */
export const streams = [
  {
    ...shared,
    name: names.mailbox,
    subjects: [`${prefix}.*.agent.*.*`, `${prefix}.*.agent.*.run.*`],
    retention: "limits",
    discard: "new",
    subject_transform: {
      src: `${prefix}.*.agent.*.>`,
      dest: `1.{{partition(${partitionCount},2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>`,
    },
    max_bytes: 2 * 1024 ** 3,
    max_msgs_per_subject: 20_000,
    discard_new_per_subject: true,
    max_consumers: 8_192,
    max_age: 0,
  },
  {
    ...shared,
    name: names.exec,
    subjects: [`${prefix}.exec.pool.*.*.*.*`],
    retention: "workqueue",
    discard: "new",
    max_bytes: 1024 ** 3,
    max_consumers: 256,
    max_age: 0,
  },
  {
    ...shared,
    name: names.logs,
    subjects: [`${prefix}.*.run.*.log.*`],
    retention: "limits",
    discard: "old",
    max_bytes: 8 * 1024 ** 3,
    max_age: 72 * 3600 * 1_000_000_000,
    max_consumers: 10_000,
  },
] as const;

/** The durable consumer of the work queue. */
export const poolConsumerConfig = {
  durable_name: poolConsumer,
  filter_subject: `${prefix}.exec.pool.default.>`,
  ack_policy: "explicit",
  ack_wait: 5_000_000_000,
  max_deliver: -1,
  max_ack_pending: 20_000,
} as const;

/** What goes through the mailbox and back, as JSON. */
export interface StartedMessage {
  runId: string;
  attempt: number;
  claimId: string;
  incarnation: string;
  runnerId: string;
}
export interface FinishedMessage extends StartedMessage {
  exitCode: number;
  log: { bytes: number; sha256: string };
}
export interface ExecutionMessage {
  companyId: string;
  agentId: string;
  runId: string;
  attempt: number;
}
export interface AnswerMessage {
  answer: "go" | "committed";
  claimId: string;
}

export const encode = (value: object): Uint8Array => Buffer.from(JSON.stringify(value));
export const decode = <T>(bytes: Uint8Array): T =>
  JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()) as T;
