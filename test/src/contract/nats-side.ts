// Owns the two servers of the NATS contract behind one face: the simulated one with its loop, the real one with its process. A script of
// operations sees ports, a clock and a few things that can be done to a server; which of the two it talks to it cannot tell.
import { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { StoredPublisherOptions } from "@reveille/shared/nats/stored-publisher";
import { openBucket } from "@reveille/shared/nats/bucket";
import type { Bucket } from "@reveille/shared/nats/bucket";
import { connectBus } from "@reveille/shared/nats/bus";
import type { Bus } from "@reveille/shared/nats/bus";
import { natsStreams } from "@reveille/shared/nats/streams";
import type { Streams } from "@reveille/shared/nats/streams";
import { openWorkQueue, ensurePoolConsumer } from "@reveille/shared/nats/work-queue";
import type { WorkQueue, WorkQueueOptions } from "@reveille/shared/nats/work-queue";
import { createSubjects } from "@reveille/shared/protocol/subjects";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { defaultSizes, topologyNames } from "@reveille/shared/protocol/topology";
import type { TopologyNames, TopologySizes } from "@reveille/shared/protocol/topology";
import { pause, systemClock } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import { startTestNats } from "../harness/nats.js";
import type { TestNats } from "../harness/nats.js";
import { startProxy } from "../harness/proxy.js";
import type { Proxy } from "../harness/proxy.js";
import { Loop } from "../simulation/machine/loop.js";
import { SimProcess } from "../simulation/machine/process.js";
import { createRandom } from "../simulation/machine/random.js";
import { createSimNats } from "../simulation/nats/sim-nats.js";

/** One connection, as a service has it. */
export interface Peer {
  bus: Bus;
  streams: Streams;
  bucket: (name: string) => Promise<Bucket>;
  openQueue: (options: WorkQueueOptions) => WorkQueue;
  ensurePoolConsumer: (pool: string) => Promise<void>;
  publisher: (options?: StoredPublisherOptions) => StoredPublisher;
}
/** What happens to the server itself. */
export interface Server {
  kill: () => Promise<void>;
  start: () => Promise<void>;
  wipe: () => Promise<void>;
  /** Copies the store; what it returns puts the copy back. */
  save: () => Promise<() => Promise<void>>;
  deleteStream: (name: string) => Promise<void>;
}
/** What happens between one connection and the server. */
export interface Weather {
  /** Nothing passes, and nobody is told. */
  hold: (way: "both" | "to-client") => void;
  heal: () => void;
  /** The connection breaks; what was held is lost. */
  cut: () => void;
  /** The answer to the next stored publish is lost, with the connection. */
  loseNextAck: () => void;
}
export interface Side {
  clock: Clock;
  subjects: Subjects;
  names: TopologyNames;
  connect: () => Promise<Peer>;
  /** A connection with weather of its own. */
  linked: () => Promise<Peer & { weather: Weather }>;
  server: Server;
  /** Small enough that many of them fit on one disk. */
  sizes: TopologySizes;
}

/** Asks again until it is so. @throws Error naming what never was, after 20 s of the side's time. */
export async function until(
  side: Side,
  what: string,
  isSo: () => boolean,
  timeoutMs = 20_000,
): Promise<void> {
  for (let waitedMs = 0; !isSo(); waitedMs += 10) {
    if (waitedMs > timeoutMs) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await pause(side.clock, 10);
  }
}

const sizes: TopologySizes = {
  ...defaultSizes,
  mailboxBytesMax: 1024 ** 2,
  execBytesMax: 1024 ** 2,
  logsBytesMax: 1024 ** 2,
  runnerLeaseTtlMs: 3_000,
};

const describe = (prefix: string) => {
  const subjects = createSubjects(prefix);
  return { subjects, names: topologyNames(prefix), sizes };
};

/** Runs a script on the simulated server, in simulated time. @throws what the script throws, or that it never ended. */
export async function onSimulated<T>(
  prefix: string,
  seed: number,
  script: (side: Side) => Promise<T>,
): Promise<T> {
  const loop = new Loop();
  const nats = createSimNats({ loop, random: createRandom(seed) });
  const process = new SimProcess(loop, "script");
  const { clock } = process;
  const later = (act: () => void) => async (): Promise<void> => {
    await pause(clock, 1);
    act();
  };
  const peer = (of: SimProcess): Peer => {
    const connection = nats.connect(of);
    return {
      ...connection,
      bucket: async (name) => connection.bucket(name),
      ensurePoolConsumer: (pool) => connection.ensurePoolConsumer(side.subjects, pool),
      publisher: (options) => new StoredPublisher(connection.bus, { ...options, clock }),
    };
  };
  const side: Side = {
    ...describe(prefix),
    clock,
    connect: async () => peer(process),
    linked: async () => {
      const linked = new SimProcess(loop, "linked");
      const { faults } = nats;
      const weather = {
        hold: (way: "both" | "to-client") => faults.partition(linked, way),
        heal: () => faults.heal(linked),
        cut: () => {
          faults.cut(linked);
          faults.heal(linked);
        },
        loseNextAck: () => faults.loseNext(linked, "to-client"),
      };
      return { ...peer(linked), weather };
    },
    server: {
      kill: later(() => nats.faults.kill()),
      start: later(() => nats.faults.start()),
      wipe: later(() => nats.faults.wipe()),
      save: async () => {
        const saved = nats.faults.save();
        return later(() => nats.faults.rollBack(saved));
      },
      deleteStream: (name) => later(() => nats.faults.deleteStream(name))(),
    },
  };
  let outcome: { value: T } | { error: unknown } | null = null;
  loop.schedule(0, () => {
    script(side).then(
      (value) => (outcome = { value }),
      (error: unknown) => (outcome = { error }),
    );
  });
  await loop.run(600_000, { done: () => outcome !== null });
  const ended = outcome as { value: T } | { error: unknown } | null;
  if (!ended) throw new Error("the script never ended on the simulated server");
  if ("error" in ended) throw ended.error;
  return ended.value;
}

const weatherOf = (proxy: Proxy): Weather => ({
  hold: (way) => proxy.blackhole(way === "both" ? undefined : "down"),
  heal: () => proxy.heal(),
  cut: () => {
    proxy.reset();
    proxy.heal();
  },
  loseNextAck: () => proxy.dropNextReply({ reply: (data) => data.includes('"stream"') }),
});

/** The real server of one test file. */
export interface RealSide {
  run: <T>(prefix: string, script: (side: Side) => Promise<T>) => Promise<T>;
  stop: () => Promise<void>;
}

export async function startReal(): Promise<RealSide> {
  const nats: TestNats = await startTestNats();
  return {
    stop: () => nats.stop(),
    run: async (prefix, script) => {
      const closing: (() => Promise<void>)[] = [];
      const peer = async (url: string): Promise<Peer> => {
        const bus = await connectBus({ url, name: "contract" });
        closing.push(() => bus.close());
        return {
          bus,
          streams: natsStreams(bus),
          bucket: (name) => openBucket(bus, name),
          openQueue: (options) => openWorkQueue(bus, options),
          ensurePoolConsumer: (pool) => ensurePoolConsumer(bus, side.subjects, pool),
          publisher: (options) => new StoredPublisher(bus, options),
        };
      };
      const side: Side = {
        ...describe(prefix),
        clock: systemClock,
        connect: () => peer(nats.serviceUrl),
        linked: async () => {
          const proxy = await startProxy(Number(new URL(nats.serviceUrl).port));
          const linked = await peer(proxy.urlOf(nats.serviceUrl));
          closing.push(() => proxy.stop());
          return { ...linked, weather: weatherOf(proxy) };
        },
        server: {
          kill: () => nats.kill(),
          start: () => nats.start(),
          wipe: () => nats.wipe(),
          save: async () => {
            const saved = await nats.save();
            return () => nats.rollBack(saved);
          },
          deleteStream: async (name) => {
            const bus = await connectBus({ url: nats.serviceUrl, name: "contract-deletes" });
            await bus.jsm.streams.delete(name);
            await bus.close();
          },
        },
      };
      try {
        return await script(side);
      } finally {
        await Promise.all(closing.map((close) => close()));
      }
    },
  };
}
