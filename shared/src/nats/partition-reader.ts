/**
 * Reads one partition of the mailbox stream in order, from a sequence, without acknowledgements: an
 * ephemeral pull consumer whose deliveries are counted. The reader never decides what a disturbance
 * means: after a gap, a missed heartbeat or a vanished consumer it ends with a reason, and its owner
 * checks the sentinel before it opens another. Back-pressure: it pulls only while its taker takes.
 */
import { AckPolicy, DeliverPolicy } from "@nats-io/jetstream";
import type { ConsumerMessages, JsMsg } from "@nats-io/jetstream";
import type { NatsBus } from "./bus.js";

export interface StoredMessage {
  /** The subject under which the stream keeps it. */
  subject: string;
  seq: number;
  /** When JetStream stored it, nanoseconds since 1970. */
  timestampNs: bigint;
  /** Messages of the partition that were stored behind it when it was delivered. */
  behindCount: number;
  data: Uint8Array;
  header(name: string): string | undefined;
}
export interface PartitionReader {
  stop(): Promise<void>;
}
export interface PartitionReaderOptions {
  stream: string;
  filter: string;
  /** The first sequence wanted, 1 or more. */
  startSeq: number;
  /** Takes one message; the reader waits for it, so a full taker holds the stream back. */
  take: (message: StoredMessage) => Promise<void> | void;
  /** The reader ended by itself; never called after `stop`. */
  onEnd: (reason: string) => void;
  /** 256 messages: eight batches of a busy partition, at most 128 MiB over 64 idle-full partitions of 8 KiB. */
  prefetchMax?: number;
  /**
   * How often the server says that an idle consumer lives; two missed ones end the reader. 10 s: one server that dies takes the
   * connection with it, which is noticed at once. In a cluster the consumer may be on another server than the connection.
   */
  heartbeatMs?: number;
}

/** Starts to read. @throws the client's error when the consumer cannot be created. */
export async function openPartitionReader(
  bus: NatsBus,
  options: PartitionReaderOptions,
): Promise<PartitionReader> {
  const info = await bus.jsm.consumers.add(options.stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: options.startSeq,
    filter_subject: options.filter,
    mem_storage: true,
    num_replicas: 1,
    // 60 s: twice a pull, so that a live reader's consumer never vanishes under it.
    inactive_threshold: 60_000_000_000,
  });
  const consumer = await bus.js.consumers.get(options.stream, info.name);
  const messages = await consumer.consume({
    max_messages: options.prefetchMax ?? 256,
    expires: 30_000,
    idle_heartbeat: options.heartbeatMs ?? 10_000,
    abort_on_missing_resource: true,
  });
  let stopped = false;
  const end = (reason: string): void => {
    if (stopped) return;
    stopped = true;
    messages.stop();
    options.onEnd(reason);
  };
  void watch(messages, end);
  void pump(messages, options, () => stopped, end);
  return {
    stop: async () => {
      stopped = true;
      messages.stop();
      // The server drops an unused consumer by itself; deleting it is a courtesy that may fail.
      await bus.jsm.consumers.delete(options.stream, info.name).catch(() => false);
    },
  };
}

async function pump(
  messages: ConsumerMessages,
  options: PartitionReaderOptions,
  stopped: () => boolean,
  end: (reason: string) => void,
): Promise<void> {
  let expected = 1;
  try {
    for await (const message of messages) {
      if (stopped()) return;
      const { deliverySequence, streamSequence } = message.info;
      if (deliverySequence !== expected)
        return end(`gap: delivery ${deliverySequence} after ${expected - 1}`);
      expected += 1;
      await options.take(read(message, streamSequence, message.timestampNanos));
    }
    end("the consumer ended");
  } catch (error) {
    end(`reading failed: ${(error as Error).message}`);
  }
}

async function watch(messages: ConsumerMessages, end: (reason: string) => void): Promise<void> {
  for await (const status of messages.status()) {
    if (
      status.type === "heartbeats_missed" ||
      status.type === "consumer_not_found" ||
      status.type === "consumer_deleted" ||
      status.type === "stream_not_found"
    )
      end(status.type);
  }
}

const read = (message: JsMsg, seq: number, timestampNs: bigint): StoredMessage => ({
  subject: message.subject,
  seq,
  timestampNs,
  behindCount: message.info.pending,
  data: message.data,
  header: (name) => message.headers?.get(name) || undefined,
});
