// Owns the simulated `Streams` port: what the shipped one does with the real client, each request a call to the server and back. The
// topology is the shipped one, as data.
import { brokerUnavailable } from "@reveille/shared/errors";
import type { Streams } from "@reveille/shared/nats/streams";
import type { StreamFacts } from "@reveille/shared/nats/stream-facts";
import type { TopologyChange } from "@reveille/shared/nats/topology-keeper";
import { topology } from "@reveille/shared/protocol/topology";
import type { TopologySizes } from "@reveille/shared/protocol/topology";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { SimClient } from "./client.js";
import type { JetStream } from "./jetstream.js";
import { openSimReader } from "./reader.js";
import type { StreamConfig } from "./stream.js";
import { ApiError, apiErrors } from "./wire.js";
import { ensureSimPoolConsumer } from "./pool-consumer.js";

const noMessage = apiErrors.noMessage().code;
const noStream = apiErrors.noStream().code;

export function simStreams(client: SimClient, jetstream: JetStream): Streams {
  return {
    read: (options) => openSimReader(client, jetstream, options),
    sentinel: async (stream, seq, timestampNs) => {
      try {
        const found = await client.call(() => {
          const message = jetstream.stream(stream).at(seq);
          if (!message) throw apiErrors.noMessage();
          return message.timestampNs;
        });
        return found === timestampNs ? "there" : "gone";
      } catch (error) {
        if (error instanceof ApiError && error.code === noMessage) return "gone";
        if (error instanceof ApiError && error.code === noStream) return "no-stream";
        throw unavailable(`cannot read ${stream} at ${seq}`, error);
      }
    },
    facts: async (stream) => {
      try {
        return await client.call(() => factsOf(jetstream, stream));
      } catch (error) {
        if (error instanceof ApiError && error.code === noStream) return null;
        throw unavailable(`cannot read ${stream}`, error);
      }
    },
    purgeBefore: (stream, filter, beforeSeq) =>
      asked(`cannot trim ${stream}`, () =>
        client.call(() => jetstream.stream(stream).purge(filter, beforeSeq)),
      ),
    purgeSubject: (stream, filter) =>
      asked(`cannot purge ${filter}`, () =>
        client.call(() => jetstream.stream(stream).purge(filter)),
      ),
    ensureTopology: (subjects, generation, partitions, sizes) =>
      ensureSimTopology(client, jetstream, subjects, generation, partitions, sizes),
  };
}

function factsOf(jetstream: JetStream, name: string): StreamFacts {
  const stream = jetstream.stream(name);
  return {
    firstSeq: stream.firstSeq,
    lastSeq: stream.lastSeq,
    messages: stream.messages.length,
    bytes: stream.bytes,
    bytesMax: stream.config.max_bytes ?? -1,
    createdAtMs: Number(stream.createdNs / 1_000_000n),
    transformDest: stream.config.subject_transform?.dest ?? null,
  };
}

async function ensureSimTopology(
  client: SimClient,
  jetstream: JetStream,
  subjects: Subjects,
  generation: number,
  partitions: number,
  sizes: TopologySizes,
): Promise<TopologyChange[]> {
  const wanted = topology(subjects, generation, partitions, sizes);
  const changes: TopologyChange[] = [];
  for (const stream of wanted.streams)
    changes.push(await ensureStream(client, jetstream, stream as StreamConfig));
  for (const { name, ttlMs } of wanted.buckets) {
    const stream = `KV_${name}`;
    const existed = await asked(`cannot read ${stream}`, () =>
      client.call(() => jetstream.peek(stream) !== undefined),
    );
    if (!existed) await client.call(() => jetstream.addStream(bucketConfig(name, ttlMs)));
    changes.push({ name, change: existed ? "none" : "created" });
  }
  for (const pool of sizes.pools) await ensureSimPoolConsumer(client, jetstream, subjects, pool);
  return changes;
}

async function ensureStream(
  client: SimClient,
  jetstream: JetStream,
  wanted: StreamConfig,
): Promise<TopologyChange> {
  const { name } = wanted;
  const existing = await asked(`cannot keep ${name}`, () =>
    client.call(() => jetstream.peek(name)?.config),
  );
  if (!existing) {
    await client.call(() => jetstream.addStream(wanted));
    return { name, change: "created" };
  }
  if (JSON.stringify(existing) === JSON.stringify(wanted)) return { name, change: "none" };
  await asked(`cannot keep ${name}`, () =>
    client.call(() => jetstream.stream(name).configure(wanted)),
  );
  return { name, change: "updated" };
}

/** A bucket as the client makes it: the last value of each key, and refused writes are refused. */
const bucketConfig = (name: string, ttlMs: number): StreamConfig => ({
  name: `KV_${name}`,
  subjects: [`$KV.${name}.>`],
  retention: "limits",
  discard: "new",
  max_msgs_per_subject: 1,
  max_age: ttlMs * 1_000_000,
  // The server's default window, never above the age.
  duplicate_window: Math.min(120_000, ttlMs || 120_000) * 1_000_000,
});

async function asked<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw unavailable(what, error);
  }
}
const unavailable = (what: string, error: unknown): Error =>
  brokerUnavailable(`${what}: ${(error as Error).message}`, error);
