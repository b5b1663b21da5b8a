/** Everything that a stream holds now, message by message, for checks that look at all of it. Changes nothing; knows no subject. */
import { AckPolicy, DeliverPolicy, JetStreamApiError } from "@nats-io/jetstream";
import { brokerUnavailable } from "../errors.js";
import type { NatsBus } from "./bus.js";

export interface Stored {
  subject: string;
  seq: number;
  data: Uint8Array;
}

/** JetStream's codes for "no message found" and "stream not found". */
const noMessage = 10037;
const noStream = 10059;

/** How many messages are stored under each subject of a filter; the first `subjectsMax` of them. @throws RuntimeError `BrokerUnavailable`. */
export async function storedSubjects(
  bus: NatsBus,
  stream: string,
  filter: string,
  subjectsMax: number,
): Promise<Map<string, number>> {
  try {
    const { state } = await bus.jsm.streams.info(stream, { subjects_filter: filter });
    return new Map(Object.entries(state.subjects ?? {}).slice(0, subjectsMax));
  } catch (error) {
    throw brokerUnavailable(`subjects of ${stream}: ${(error as Error).message}`, error);
  }
}

/**
 * What the stream holds, in its order; nothing when there is no such stream. Goes on where the store's reader left off, so one message
 * at a time is in memory. A work queue lets nobody else read it, so its messages are fetched one by one: only for small ones.
 * @throws RuntimeError `BrokerUnavailable`.
 */
export async function* storedMessages(
  bus: NatsBus,
  stream: string,
  queue: boolean,
): AsyncGenerator<Stored> {
  try {
    yield* queue ? fetched(bus, stream) : consumed(bus, stream);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === noStream) return;
    throw brokerUnavailable(`cannot read ${stream}: ${(error as Error).message}`, error);
  }
}

async function* fetched(bus: NatsBus, stream: string): AsyncGenerator<Stored> {
  for (let from = 1; ;) {
    const message = await bus.jsm.direct
      .getMessage(stream, { seq: from, next_by_subj: ">" })
      .catch((error: unknown) => {
        if (error instanceof JetStreamApiError && error.code === noMessage) return null;
        throw error;
      });
    if (!message) return;
    yield { subject: message.subject, seq: message.seq, data: message.data };
    from = message.seq + 1;
  }
}

async function* consumed(bus: NatsBus, stream: string): AsyncGenerator<Stored> {
  const info = await bus.jsm.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
    mem_storage: true,
    num_replicas: 1,
    // 30 s: what a killed reader leaves behind.
    inactive_threshold: 30_000_000_000,
  });
  if (info.num_pending === 0) return;
  const consumer = await bus.js.consumers.get(stream, info.name);
  const messages = await consumer.consume({
    max_messages: 256,
    expires: 10_000,
    idle_heartbeat: 5_000,
    abort_on_missing_resource: true,
  });
  try {
    for await (const message of messages) {
      yield { subject: message.subject, seq: message.info.streamSequence, data: message.data };
      if (message.info.pending === 0) return;
    }
    throw new Error("the consumer ended early");
  } finally {
    messages.stop();
    // An unused consumer goes by itself after a while: deleting it is a courtesy that may fail.
    await bus.jsm.consumers.delete(stream, info.name).catch(() => false);
  }
}
