/** Questions to a stream that its readers ask: is the sentinel there, what does the transform echo, purge behind a cursor. */
import { JetStreamApiError } from "@nats-io/jetstream";
import { brokerUnavailable } from "../errors.js";
import type { NatsBus } from "./bus.js";

/** JetStream's codes for "no message found" and "stream not found". */
const noMessage = 10037;
const noStream = 10059;

export type Sentinel = "there" | "gone" | "no-stream";

/** Is the message at this sequence still the one with this timestamp? @throws RuntimeError `BrokerUnavailable`. */
export async function checkSentinel(
  bus: NatsBus,
  stream: string,
  seq: number,
  timestampNs: bigint,
): Promise<Sentinel> {
  try {
    const message = await bus.jsm.streams.getMessage(stream, { seq });
    return message !== null && nanoseconds(message.timestamp) === timestampNs ? "there" : "gone";
  } catch (error) {
    if (error instanceof JetStreamApiError) {
      if (error.code === noMessage) return "gone";
      if (error.code === noStream) return "no-stream";
    }
    throw brokerUnavailable(`cannot read ${stream} at ${seq}: ${(error as Error).message}`, error);
  }
}

export interface StreamFacts {
  firstSeq: number;
  lastSeq: number;
  messages: number;
  bytes: number;
  bytesMax: number;
  createdAtMs: number;
  /** What the server really does to subjects on ingest; null: nothing. */
  transformDest: string | null;
}

/** Null when the stream does not exist. @throws RuntimeError `BrokerUnavailable`. */
export async function streamFacts(bus: NatsBus, stream: string): Promise<StreamFacts | null> {
  try {
    const info = await bus.jsm.streams.info(stream);
    return {
      firstSeq: info.state.first_seq,
      lastSeq: info.state.last_seq,
      messages: info.state.messages,
      bytes: info.state.bytes,
      bytesMax: info.config.max_bytes,
      createdAtMs: Date.parse(info.created),
      transformDest: info.config.subject_transform?.dest ?? null,
    };
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === noStream) return null;
    throw brokerUnavailable(`cannot read ${stream}: ${(error as Error).message}`, error);
  }
}

/** Removes what lies below `beforeSeq` under a filter; `beforeSeq` itself stays. */
export async function purgeBefore(
  bus: NatsBus,
  stream: string,
  filter: string,
  beforeSeq: number,
): Promise<number> {
  try {
    return (await bus.jsm.streams.purge(stream, { filter, seq: beforeSeq })).purged;
  } catch (error) {
    throw brokerUnavailable(`cannot trim ${stream}: ${(error as Error).message}`, error);
  }
}

/** Removes every message under a filter. */
export async function purgeSubject(bus: NatsBus, stream: string, filter: string): Promise<number> {
  try {
    return (await bus.jsm.streams.purge(stream, { filter })).purged;
  } catch (error) {
    throw brokerUnavailable(`cannot purge ${filter}: ${(error as Error).message}`, error);
  }
}

/** RFC 3339 with up to nine decimals, as the server writes it. */
function nanoseconds(timestamp: string): bigint {
  const fraction = /\.(\d+)/.exec(timestamp)?.[1] ?? "";
  const seconds = BigInt(Math.floor(Date.parse(timestamp.replace(/\.\d+/, "")) / 1000));
  return seconds * 1_000_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
}
