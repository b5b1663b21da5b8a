// Owns the simulated server: who listens to what, where a message goes, which faults are at work. The one thing of this folder that a
// simulated world holds. JetStream's rules are in jetstream.ts, connections in session.ts and client.ts.
import type { Bus } from "@reveille/shared/nats/bus";
import type { Bucket } from "@reveille/shared/nats/bucket";
import type { Streams } from "@reveille/shared/nats/streams";
import { openWorkQueue } from "@reveille/shared/nats/work-queue";
import type { WorkQueue, WorkQueueOptions } from "@reveille/shared/nats/work-queue";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Loop } from "../machine/loop.js";
import type { SimProcess } from "../machine/process.js";
import type { Random } from "../machine/random.js";
import { simBucket } from "./bucket.js";
import { SimClient } from "./client.js";
import type { ClientOptions } from "./client.js";
import { Faults } from "./faults.js";
import type { JetStream } from "./jetstream.js";
import { Router } from "./router.js";
import { simStreams } from "./streams.js";
import { ensureSimPoolConsumer } from "./pool-consumer.js";

/** What one process holds: everything its services' ports ask for. */
export interface SimConnection {
  readonly bus: Bus;
  readonly streams: Streams;
  /** Binds to a name alone, as the real one does: whether there is such a bucket shows with the first operation. */
  bucket: (name: string) => Bucket;
  /** The shipped queue, on the process' clock. */
  openQueue: (options: WorkQueueOptions) => WorkQueue;
  /** @throws RuntimeError `BrokerUnavailable` when there is no stream for it. */
  ensurePoolConsumer: (subjects: Subjects, pool: string) => Promise<void>;
}
export interface SimNatsOptions {
  loop: Loop;
  random: Random;
  /** One hop, milliseconds; by default mostly below one, now and then a few. */
  delayMs?: () => number;
}

export interface SimNats {
  /** A connection of a process; it has several if it asks several times. While the server is out of reach it starts disconnected. */
  connect(process: SimProcess, options?: ClientOptions): SimConnection;
  /** What the server keeps, for judges and tests: no delay, no fault. */
  readonly jetstream: JetStream;
  /** What can go wrong, by hand. */
  readonly faults: Faults;
}

export function createSimNats(options: SimNatsOptions): SimNats {
  const { loop, random } = options;
  const router: Router = new Router(loop, random, options.delayMs ?? usualDelay(random));
  return {
    jetstream: router.jetstream,
    faults: new Faults(router),
    connect: (process, clientOptions = {}) => {
      const client = new SimClient(router, process, clientOptions);
      const { jetstream } = router;
      return {
        bus: client,
        streams: simStreams(client, jetstream),
        bucket: (name) => simBucket(client, jetstream, name, () => router.readsStale()),
        /** The shipped queue, on the process' clock. */
        openQueue: (queueOptions) =>
          openWorkQueue(client, { ...queueOptions, clock: process.clock }),
        ensurePoolConsumer: (subjects, pool) =>
          ensureSimPoolConsumer(client, jetstream, subjects, pool),
      };
    },
  };
}

/** As on one machine: 0.05 to 0.6 ms, one in fifty up to 5 ms. */
const usualDelay = (random: Random) => (): number =>
  random.chance(0.02) ? random.between(600, 5_000) / 1_000 : random.between(50, 600) / 1_000;
