/**
 * A KV bucket in our own terms. Every decision is a compare-and-set on a revision: a read may be
 * stale (a follower answers), a write on a revision never is.
 */
import { Kvm } from "@nats-io/kv";
import type { KV } from "@nats-io/kv";
import { JetStreamApiError } from "@nats-io/jetstream";
import { brokerUnavailable } from "../errors.js";
import type { NatsBus } from "./bus.js";

export interface BucketEntry {
  key: string;
  value: Uint8Array;
  revision: number;
}
export interface Bucket {
  get(key: string): Promise<BucketEntry | null>;
  /** Writes only if the key is free; null when it is not. */
  create(key: string, value: Uint8Array): Promise<number | null>;
  /** Writes only if the key is still at this revision; null when it is not. */
  update(key: string, value: Uint8Array, revision: number): Promise<number | null>;
  /** Deletes only if the key is still at this revision. */
  remove(key: string, revision: number): Promise<boolean>;
  put(key: string, value: Uint8Array): Promise<number>;
  keys(filter?: string): Promise<string[]>;
  /** When the bucket was created: another instant than before means that it was lost and made anew. */
  createdAtMs(): Promise<number>;
  /** How old it is by the server's own clock, which need not agree with this machine's; 0 from a server that does not say. */
  ageMs(): Promise<number>;
  /** How long an entry lives without an update, as the server really keeps it; 0: for ever. */
  ttlMs(): Promise<number>;
}

/** JetStream's "wrong last sequence": somebody else was first. */
const isLost = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.code === 10071;

/** Opens an existing bucket. @throws RuntimeError `BrokerUnavailable`, from each operation too. */
export async function openBucket(bus: NatsBus, name: string): Promise<Bucket> {
  const kv: KV = await guarded(name, () => new Kvm(bus.js).open(name, { bindOnly: true }));
  return {
    get: async (key) => {
      const entry = await guarded(name, () => kv.get(key));
      return entry && entry.operation === "PUT"
        ? { key, value: entry.value, revision: entry.revision }
        : null;
    },
    create: (key, value) => lostAsNull(name, () => kv.create(key, value)),
    update: (key, value, revision) => lostAsNull(name, () => kv.update(key, value, revision)),
    remove: async (key, revision) =>
      (await lostAsNull(name, async () => {
        await kv.delete(key, { previousSeq: revision });
        return revision;
      })) !== null,
    put: (key, value) => guarded(name, () => kv.put(key, value)),
    keys: (filter) =>
      guarded(name, async () => {
        const found: string[] = [];
        for await (const key of await kv.keys(filter)) found.push(key);
        return found;
      }),
    createdAtMs: () =>
      guarded(name, async () => Date.parse((await bus.jsm.streams.info(`KV_${name}`)).created)),
    ageMs: () =>
      guarded(name, async () => {
        // Every answer of the JetStream API has the server's time; the client's types do not know it.
        const info: { created: string; ts?: string } = await bus.jsm.streams.info(`KV_${name}`);
        return info.ts === undefined ? 0 : Date.parse(info.ts) - Date.parse(info.created);
      }),
    ttlMs: () =>
      guarded(
        name,
        async () => (await bus.jsm.streams.info(`KV_${name}`)).config.max_age / 1_000_000,
      ),
  };
}

async function guarded<T>(name: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw brokerUnavailable(`bucket ${name}: ${(error as Error).message}`, error);
  }
}

async function lostAsNull(name: string, operation: () => Promise<number>): Promise<number | null> {
  try {
    return await operation();
  } catch (error) {
    if (isLost(error)) return null;
    throw brokerUnavailable(`bucket ${name}: ${(error as Error).message}`, error);
  }
}
