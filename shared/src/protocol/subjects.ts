/**
 * Every subject of the system, in one place; nobody else writes one. Ids are checked before they
 * become a token. The company comes first, so that its credentials are one subtree.
 */
import { isUuid } from "./ids.js";

/** Kinds that reach an agent's mailbox. The public one is `wake`; who may publish the others: docs/protocol.md. */
export const mailboxKinds = [
  "wake",
  "request",
  "cancel",
  "pause",
  "resume",
  "terminate",
  "configure",
  "reset-session",
  "delete",
  "approve",
  "cancel-all",
  "admit",
  "cost",
  "timer",
  "grant",
  "expired",
  "run.started",
  "run.progress",
  "run.finished",
  "run.lost",
  "run.reported",
] as const;
export type MailboxKind = (typeof mailboxKinds)[number];

export type LogStreamName = "stdout" | "stderr" | "system";
export const logStreamNames = ["stdout", "stderr", "system"] as const;

/** Where one mailbox message came from, read back from the subject under which the stream keeps it. */
export interface StoredAddress {
  generation: number;
  partition: number;
  companyId: string;
  agentId: string;
  kind: string;
}

const poolPattern = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
/** True for a runner pool's name: lower-case letters, digits and inner dashes, at most 32. */
export const isPoolName = (value: string): boolean => poolPattern.test(value);

function id(value: string, name: string): string {
  if (!isUuid(value))
    throw new RangeError(`${name} is not a UUID: ${JSON.stringify(value).slice(0, 80)}`);
  return value;
}
function pool(value: string): string {
  if (!isPoolName(value))
    throw new RangeError(`pool is not a pool name: ${JSON.stringify(value).slice(0, 80)}`);
  return value;
}

export type Subjects = ReturnType<typeof createSubjects>;

/** The subjects below one prefix (`REVEILLE_SUBJECT_PREFIX`, default `rv`). */
export function createSubjects(prefix = "rv") {
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(prefix))
    throw new RangeError("the subject prefix must be one token of letters, digits, - and _");
  const agent = (companyId: string, agentId: string): string =>
    `${prefix}.${id(companyId, "company")}.agent.${id(agentId, "agent")}`;
  const run = (companyId: string, runId: string): string =>
    `${prefix}.${id(companyId, "company")}.run.${id(runId, "run")}`;
  return {
    prefix,
    /** A message to an agent's mailbox. */
    mailbox: (companyId: string, agentId: string, kind: MailboxKind): string =>
      `${agent(companyId, agentId)}.${kind}`,
    /** What MAILBOX takes in. */
    mailboxes: [`${prefix}.*.agent.*.*`, `${prefix}.*.agent.*.run.*`],
    mailboxTransformSource: `${prefix}.*.agent.*.>`,
    /** What MAILBOX makes of it on ingest. */
    mailboxTransform: (generation: number, partitions: number): string =>
      `${generation}.{{partition(${partitions},2)}}.{{wildcard(1)}}.{{wildcard(2)}}.>`,
    /** One partition of every generation: what an owner reads. */
    partitionFilter: (partition: number): string => `*.${partition}.>`,
    /** One partition of one generation: what an owner purges. */
    partitionPurge: (generation: number, partition: number): string =>
      `${generation}.${partition}.>`,
    /** One try at one run: at most one message is stored under it. */
    execution: (poolName: string, companyId: string, runId: string, attempt: number): string =>
      `${prefix}.exec.pool.${pool(poolName)}.${id(companyId, "company")}.${id(runId, "run")}.${attempt}`,
    /** Of all pools. Seven tokens: with six, the streams of mailboxes and logs would overlap, which the server refuses. */
    executions: `${prefix}.exec.pool.*.*.*.*`,
    poolExecutions: (poolName: string): string => `${prefix}.exec.pool.${pool(poolName)}.>`,
    log: (companyId: string, runId: string, stream: LogStreamName): string =>
      `${run(companyId, runId)}.log.${stream}`,
    runLog: (companyId: string, runId: string): string => `${run(companyId, runId)}.log.>`,
    logs: `${prefix}.*.run.*.log.*`,
    /** What an agent does, in the common vocabulary: told, not stored. */
    transcript: (companyId: string, runId: string): string => `${run(companyId, runId)}.transcript`,
    control: (companyId: string, runId: string): string => `${run(companyId, runId)}.control`,
    /** Every run's control: a runner listens once, not once for each of its runs. */
    controls: `${prefix}.*.run.*.control`,
    /** What one runner incarnation hears of its reports. */
    answer: (incarnation: string): string =>
      `${prefix}.runner.${id(incarnation, "incarnation")}.answer`,
    /** Asked by the runner that holds a claim; answered by any actor host, sealed to the claim's key. */
    secrets: `${prefix}.secrets.resolve`,
    /** Questions to any runner of a pool about its adapters: descriptions, tests of an environment. */
    probe: (poolName: string): string => `${prefix}.runner.pool.${pool(poolName)}.probe`,
    handover: (hostId: string): string => `${prefix}.host.${id(hostId, "host")}.handover`,
    event: (companyId: string, type: string): string =>
      `${prefix}.${id(companyId, "company")}.event.${type}`,
    companyEvents: (companyId: string): string => `${prefix}.${id(companyId, "company")}.event.>`,
    events: `${prefix}.*.event.>`,
    /** A new generation of MAILBOX was decided: hosts and the topology keeper look at Postgres. */
    generation: `${prefix}.topology.generation`,
  };
}

/** Reads a stored mailbox subject; null when it is none. */
export function parseStored(subject: string): StoredAddress | null {
  const [generation, partition, companyId, agentId, ...kind] = subject.split(".");
  if (!isUuid(companyId) || !isUuid(agentId) || kind.length === 0) return null;
  const numbers = { generation: Number(generation), partition: Number(partition) };
  if (!Number.isSafeInteger(numbers.generation) || !Number.isSafeInteger(numbers.partition))
    return null;
  return { ...numbers, companyId, agentId, kind: kind.join(".") };
}
