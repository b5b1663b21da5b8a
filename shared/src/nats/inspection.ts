/**
 * Looking at what a server holds, for people and checks: streams, buckets, consumers, limits. Changes
 * nothing. Knows JetStream's words and none of Reveille's.
 */
import { JetStreamApiError } from "@nats-io/jetstream";
import { brokerUnavailable } from "../errors.js";
import type { NatsBus } from "./bus.js";

export interface StreamFacts {
  name: string;
  created: string;
  subjects: string[];
  retention: string;
  storage: string;
  replicas: number;
  transform: { src: string; dest: string } | null;
  bytesMax: number;
  perSubjectMax: number;
  ageMaxNs: number;
  messages: number;
  bytes: number;
  firstSeq: number;
  lastSeq: number;
  consumers: number;
}
export interface ServerFacts {
  version: string;
  /** The server's limit of a message, bytes. */
  payloadBytesMax: number;
  /** JetStream's level of API: 2 is server 2.12. */
  apiLevel: number;
  memoryBytes: number;
  storageBytes: number;
  storageBytesMax: number;
}

/** What the server says of itself. @throws RuntimeError `BrokerUnavailable` when JetStream is off. */
export async function inspectServer(bus: NatsBus): Promise<ServerFacts> {
  const info = await asked("JetStream", () => bus.jsm.getAccountInfo());
  return {
    version: bus.serverVersion,
    payloadBytesMax: bus.connection.info?.max_payload ?? 0,
    apiLevel: (info.api as { level?: number }).level ?? 0,
    memoryBytes: info.memory,
    storageBytes: info.storage,
    storageBytesMax: info.limits.max_storage,
  };
}

/** One stream; null when there is none of that name. A bucket is the stream `KV_<bucket>`. */
export async function inspectStream(bus: NatsBus, name: string): Promise<StreamFacts | null> {
  try {
    const { config, state, created } = await bus.jsm.streams.info(name);
    return {
      name,
      created: String(created),
      subjects: config.subjects ?? [],
      retention: config.retention,
      storage: config.storage,
      replicas: config.num_replicas,
      transform: config.subject_transform
        ? { src: config.subject_transform.src ?? "", dest: config.subject_transform.dest }
        : null,
      bytesMax: config.max_bytes,
      perSubjectMax: config.max_msgs_per_subject,
      ageMaxNs: Number(config.max_age),
      messages: state.messages,
      bytes: state.bytes,
      firstSeq: state.first_seq,
      lastSeq: state.last_seq,
      consumers: state.consumer_count,
    };
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === 10059) return null;
    throw brokerUnavailable(`stream ${name}: ${(error as Error).message}`, error);
  }
}

/** Durable consumers of a stream, with what they have not delivered and not seen acknowledged. */
export async function inspectConsumers(
  bus: NatsBus,
  stream: string,
): Promise<
  { name: string; filter: string; pending: number; unacknowledged: number; waiting: number }[]
> {
  return asked(`consumers of ${stream}`, async () => {
    const found = [];
    for await (const info of bus.jsm.consumers.list(stream)) {
      if (!info.config.durable_name) continue;
      found.push({
        name: info.name,
        filter: info.config.filter_subject ?? "",
        pending: info.num_pending,
        unacknowledged: info.num_ack_pending,
        waiting: info.num_waiting,
      });
    }
    return found;
  });
}

/** Every consumer of a stream, with how long it stays unused before the server removes it, ms; null: for ever. */
export async function inspectReaders(
  bus: NatsBus,
  stream: string,
): Promise<{ name: string; created: string; unusedMs: number | null }[]> {
  return asked(`consumers of ${stream}`, async () => {
    const found = [];
    for await (const { name, created, config } of bus.jsm.consumers.list(stream)) {
      const lasts = config.durable_name !== undefined && !config.inactive_threshold;
      const unusedMs = lasts ? null : Number(config.inactive_threshold ?? 0) / 1e6;
      found.push({ name, created: String(created), unusedMs });
    }
    return found;
  });
}

/** The first message below a subject filter from a sequence on; null when there is none. */
export async function firstStoredFrom(
  bus: NatsBus,
  stream: string,
  filter: string,
  sequence: number,
): Promise<{ seq: number; subject: string; storedAtMs: number } | null> {
  return asked(`${filter} of ${stream}`, async () => {
    try {
      const message = await bus.jsm.direct.getMessage(stream, {
        seq: sequence,
        next_by_subj: filter,
      });
      if (!message) return null;
      return { seq: message.seq, subject: message.subject, storedAtMs: message.time.getTime() };
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === 10037) return null;
      throw error;
    }
  });
}

async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw brokerUnavailable(`${what}: ${(error as Error).message}`, error);
  }
}
