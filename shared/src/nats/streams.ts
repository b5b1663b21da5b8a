/**
 * What an actor host asks of JetStream, gathered as one port: the real one below, and a simulated one for
 * tests that run the host itself under faults that no real server gives on demand.
 */
import type { Subjects } from "../protocol/subjects.js";
import type { TopologySizes } from "../protocol/topology.js";
import type { NatsBus } from "./bus.js";
import { openPartitionReader } from "./partition-reader.js";
import type { PartitionReader, PartitionReaderOptions } from "./partition-reader.js";
import { checkSentinel, purgeBefore, purgeSubject, streamFacts } from "./stream-facts.js";
import type { Sentinel, StreamFacts } from "./stream-facts.js";
import { ensureTopology } from "./topology-keeper.js";
import type { TopologyChange } from "./topology-keeper.js";

/** Every operation may throw RuntimeError `BrokerUnavailable`. */
export interface Streams {
  /** Reads one partition in order, from a sequence. */
  read(options: PartitionReaderOptions): Promise<PartitionReader>;
  /** Is the message at this sequence still the one with this timestamp? */
  sentinel(stream: string, seq: number, timestampNs: bigint): Promise<Sentinel>;
  /** Null when the stream does not exist. */
  facts(stream: string): Promise<StreamFacts | null>;
  /** Removes what lies below `beforeSeq` under a filter; how many messages that were. */
  purgeBefore(stream: string, filter: string, beforeSeq: number): Promise<number>;
  /** Removes every message under a filter. */
  purgeSubject(stream: string, filter: string): Promise<number>;
  /** Creates what is missing, updates what differs, compares what the server echoes. */
  ensureTopology(
    subjects: Subjects,
    generation: number,
    partitions: number,
    sizes: TopologySizes,
  ): Promise<TopologyChange[]>;
}

/**
 * 2 s: a partition's consumer that died with another server of the cluster is noticed within 4 to 6 s, as soon as a new leader of
 * the stream is there (4 to 9 s). It costs a message of 60 bytes for each partition in that time.
 */
const clusterHeartbeatMs = 2_000;

/** The port on a real connection; `replicas` as the streams are kept with. */
export const natsStreams = (bus: NatsBus, replicas = 1): Streams => ({
  read: (options) =>
    openPartitionReader(
      bus,
      replicas > 1 ? { heartbeatMs: clusterHeartbeatMs, ...options } : options,
    ),
  sentinel: (stream, seq, timestampNs) => checkSentinel(bus, stream, seq, timestampNs),
  facts: (stream) => streamFacts(bus, stream),
  purgeBefore: (stream, filter, beforeSeq) => purgeBefore(bus, stream, filter, beforeSeq),
  purgeSubject: (stream, filter) => purgeSubject(bus, stream, filter),
  ensureTopology: (subjects, generation, partitions, sizes) =>
    ensureTopology(bus, subjects, generation, partitions, sizes),
});
