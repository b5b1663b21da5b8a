// Owns the simulated `Bucket` port: the operations of the real client's KV, request by request, on the stream that keeps the bucket.
import { brokerUnavailable } from "@reveille/shared/errors";
import type { Bucket, BucketEntry } from "@reveille/shared/nats/bucket";
import type { SimClient } from "./client.js";
import type { JetStream } from "./jetstream.js";
import type { StoredMsg } from "./stream.js";
import { matcher } from "./subject-pattern.js";
import { ApiError, NoResponders, apiErrors, emptyData } from "./wire.js";

const lastSequence = "Nats-Expected-Last-Subject-Sequence";
const operation = "KV-Operation";
const wrongLastSequence = apiErrors.wrongLastSequence(0).code;

/** `stale`: whether a read shows the value before the last one, as from a follower that lags. */
export function simBucket(
  client: SimClient,
  jetstream: JetStream,
  name: string,
  stale: () => boolean,
): Bucket {
  const stream = `KV_${name}`;
  const subjectOf = (key: string): string => `$KV.${name}.${key}`;
  const publish = (
    key: string,
    value: Uint8Array,
    headers?: Record<string, string>,
  ): Promise<number> =>
    client.call(() => {
      const subject = subjectOf(key);
      const kept = jetstream.peek(stream);
      if (!kept) throw new NoResponders();
      return jetstream.store(kept, subject, value, headers).seq;
    });
  const expecting = (seq: number, more: Record<string, string> = {}): Record<string, string> => ({
    ...more,
    [lastSequence]: String(seq),
  });
  const last = (key: string): Promise<StoredMsg | undefined> =>
    client.call(() => jetstream.lastOf(stream, subjectOf(key), stale()));
  const create = async (key: string, value: Uint8Array): Promise<number> => {
    try {
      return await publish(key, value, expecting(0));
    } catch (error) {
      // As the client: whatever else went wrong, it looks whether a marker is in the way.
      if (error instanceof ApiError && !isLost(error)) throw error;
      const found = await last(key);
      // A deleted key leaves a marker, on which the next value is written.
      if (!found?.headers?.[operation]) throw error;
      return publish(key, value, expecting(found.seq));
    }
  };
  return {
    get: async (key): Promise<BucketEntry | null> => {
      const found = await guarded(name, () => last(key));
      return found && !found.headers?.[operation]
        ? { key, value: found.data, revision: found.seq }
        : null;
    },
    create: (key, value) => lostAsNull(name, () => create(key, value)),
    update: (key, value, revision) =>
      lostAsNull(name, async () => {
        if (revision <= 0) throw new Error("version must be greater than 0");
        return publish(key, value, expecting(revision));
      }),
    remove: async (key, revision) =>
      (await lostAsNull(name, () =>
        publish(key, emptyData, expecting(revision, { [operation]: "DEL" })),
      )) !== null,
    put: (key, value) => guarded(name, () => publish(key, value)),
    keys: (filter) =>
      guarded(name, () =>
        client.call(() => {
          const matches = matcher(subjectOf(filter ?? ">"));
          const prefix = subjectOf("").length;
          return jetstream
            .stream(stream)
            .messages.filter(({ subject, headers }) => matches(subject) && !headers?.[operation])
            .map(({ subject }) => subject.slice(prefix));
        }),
      ),
    createdAtMs: () =>
      guarded(name, () =>
        client.call(() => Number(jetstream.stream(stream).createdNs / 1_000_000n)),
      ),
    ageMs: () =>
      guarded(name, () => client.call(() => Number(jetstream.ageNs(stream) / 1_000_000n))),
    ttlMs: () =>
      guarded(name, () =>
        client.call(() => (jetstream.stream(stream).config.max_age ?? 0) / 1_000_000),
      ),
  };
}

const isLost = (error: unknown): boolean =>
  error instanceof ApiError && error.code === wrongLastSequence;

async function guarded<T>(name: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw brokerUnavailable(`bucket ${name}: ${(error as Error).message}`, error);
  }
}
async function lostAsNull(name: string, ask: () => Promise<number>): Promise<number | null> {
  try {
    return await ask();
  } catch (error) {
    if (isLost(error)) return null;
    throw brokerUnavailable(`bucket ${name}: ${(error as Error).message}`, error);
  }
}
