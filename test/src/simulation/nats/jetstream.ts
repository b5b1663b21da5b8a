// Owns what a simulated server keeps: streams with their consumers, buckets as streams, and the operations on them that services ask for.
// Everything here happens at one instant; delays and losses are the connections' business.
import type { Loop } from "../machine/loop.js";
import { simulationStartMs } from "../machine/loop.js";
import type { Random } from "../machine/random.js";
import { SimConsumer } from "./consumer.js";
import type { ConsumerConfig, ConsumerHost, ConsumerSnapshot, Pull } from "./consumer.js";
import { SimStream } from "./stream.js";
import type { StoredMsg, StreamConfig, StreamSnapshot } from "./stream.js";
import { apiErrors } from "./wire.js";

interface Kept {
  readonly stream: SimStream;
  readonly consumers: Map<string, SimConsumer>;
}
/** A copy of the store at one instant. */
export interface StoreSnapshot {
  readonly streams: readonly { stream: StreamSnapshot; consumers: readonly ConsumerSnapshot[] }[];
}

/** The server looks for expired messages at least this often: 250 ms is the least that its timer is set to. */
const expiryLagMsMax = 250;

export class JetStream {
  readonly #host: ConsumerHost;
  readonly #random: Random;
  readonly #kept = new Map<string, Kept>();
  #stampNs = 0n;
  #names = 0;
  /** Added to the server's wall clock, milliseconds. */
  wallOffsetMs = 0;

  constructor(host: ConsumerHost, random: Random) {
    this.#host = host;
    this.#random = random;
  }
  get loop(): Loop {
    return this.#host.loop;
  }

  /** The server's wall clock, which no two messages share. */
  stampNs(): bigint {
    const now =
      BigInt(simulationStartMs + this.wallOffsetMs) * 1_000_000n +
      BigInt(Math.round(this.#host.loop.nowMs * 1_000_000));
    this.#stampNs = now > this.#stampNs ? now : this.#stampNs + 1n;
    return this.#stampNs;
  }

  /** Names of the streams that are there. */
  names(): string[] {
    return [...this.#kept.keys()];
  }
  /** The stream as it is now, for whoever looks from outside; undefined when there is none. */
  peek(name: string): SimStream | undefined {
    return this.#kept.get(name)?.stream;
  }
  /** @throws ApiError when there is none. */
  stream(name: string): SimStream {
    const kept = this.#kept.get(name);
    if (!kept) throw apiErrors.noStream();
    kept.stream.expire(this.#nowNs());
    return kept.stream;
  }
  /** The stream that takes in a subject. */
  taking(subject: string): SimStream | undefined {
    for (const { stream } of this.#kept.values()) if (stream.takes(subject)) return stream;
    return undefined;
  }
  /** Makes a stream; does nothing to one that is there. */
  addStream(config: StreamConfig): SimStream {
    const existing = this.#kept.get(config.name);
    if (existing) return existing.stream;
    const stream = new SimStream(config, this.stampNs(), this.#expiryLagNs());
    this.#kept.set(config.name, { stream, consumers: new Map() });
    return stream;
  }
  /** Removes a stream and its consumers; whoever waits on one is told. False when there is none. */
  deleteStream(name: string): boolean {
    const kept = this.#kept.get(name);
    if (!kept) return false;
    this.#kept.delete(name);
    for (const consumer of kept.consumers.values()) consumer.end();
    return true;
  }

  /** Stores, and wakes the consumers that wait for it. @throws ApiError */
  store(
    stream: SimStream,
    subject: string,
    data: Uint8Array,
    headers?: Readonly<Record<string, string>>,
  ): { seq: number; duplicate: boolean } {
    const stored = stream.store(subject, data, headers, this.stampNs());
    const kept = this.#kept.get(stream.config.name);
    if (kept && !stored.duplicate) for (const each of kept.consumers.values()) each.pump();
    return stored;
  }

  /** Makes a consumer; one of that name stays as it is. @throws ApiError when there is no such stream. */
  addConsumer(
    streamName: string,
    config: Omit<ConsumerConfig, "name"> & { name?: string },
  ): string {
    const { consumers } = this.#of(streamName);
    const name = config.name ?? `ephemeral${this.#names++}`;
    if (!consumers.has(name)) {
      const stream = this.stream(streamName);
      consumers.set(name, new SimConsumer(this.#host, stream, { ...config, name }));
    }
    return name;
  }
  /** @throws ApiError when there is no such stream or consumer. */
  consumer(streamName: string, name: string): SimConsumer {
    const { consumers } = this.#of(streamName);
    const consumer = consumers.get(name);
    if (!consumer) throw apiErrors.noConsumer();
    if (!consumer.inactive) return consumer;
    consumer.drop();
    consumers.delete(name);
    throw apiErrors.noConsumer();
  }
  /** @throws ApiError when there is no such stream or consumer. */
  deleteConsumer(streamName: string, name: string): void {
    this.consumer(streamName, name).end();
    this.#of(streamName).consumers.delete(name);
  }
  /** Deletes those of a stream that are meant; who waits on one is told. */
  deleteConsumers(streamName: string, meant: (config: ConsumerConfig) => boolean): void {
    const consumers = this.#kept.get(streamName)?.consumers ?? new Map<string, SimConsumer>();
    for (const [name, consumer] of consumers) {
      if (!meant(consumer.config)) continue;
      consumers.delete(name);
      consumer.end();
    }
  }
  /** @throws ApiError when there is no such stream or consumer. */
  pull(streamName: string, name: string, pull: Pull): void {
    this.consumer(streamName, name).pull(pull);
  }
  /** `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence>...`: an answer to a delivery; nothing when what it names is gone. */
  answer(ackSubject: string, payload: string): void {
    const [, , streamName = "", name = "", , seq = ""] = ackSubject.split(".");
    this.#kept.get(streamName)?.consumers.get(name)?.answer(Number(seq), payload);
  }

  /** The last value of a key's subject, as a follower that lags shows it when `stale`. */
  lastOf(streamName: string, subject: string, stale: boolean): StoredMsg | undefined {
    const stream = this.stream(streamName);
    return (stale ? stream.replaced.get(subject) : undefined) ?? stream.last(subject);
  }

  snapshot(): StoreSnapshot {
    return {
      streams: [...this.#kept.values()].map(({ stream, consumers }) => ({
        stream: stream.snapshot(),
        consumers: [...consumers.values()]
          .filter(({ config }) => config.durable)
          .map((consumer) => consumer.snapshot()),
      })),
    };
  }
  /** The server starts on this store: what was not on disk is gone. */
  load(store: StoreSnapshot): void {
    for (const { consumers } of this.#kept.values())
      for (const consumer of consumers.values()) consumer.drop();
    this.#kept.clear();
    for (const { stream: saved, consumers } of store.streams) {
      const stream = SimStream.restore(saved, this.#expiryLagNs());
      this.#kept.set(saved.config.name, {
        stream,
        consumers: new Map(
          consumers.map((each) => [
            each.config.name,
            SimConsumer.restore(this.#host, stream, each),
          ]),
        ),
      });
    }
  }

  #of(name: string): Kept {
    const kept = this.#kept.get(name);
    if (!kept) throw apiErrors.noStream();
    return kept;
  }
  /** By the server's own clock. */
  ageNs(name: string): bigint {
    return this.#nowNs() - this.stream(name).createdNs;
  }

  #nowNs(): bigint {
    return (
      BigInt(simulationStartMs + this.wallOffsetMs) * 1_000_000n +
      BigInt(Math.round(this.#host.loop.nowMs * 1_000_000))
    );
  }
  #expiryLagNs(): bigint {
    return BigInt(this.#random.below(expiryLagMsMax)) * 1_000_000n;
  }
}
