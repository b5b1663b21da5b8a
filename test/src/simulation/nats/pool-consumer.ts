// Owns making the durable consumer of a pool on the simulated server. The queue that takes work from it is the shipped one.
import { brokerUnavailable } from "@reveille/shared/errors";
import { poolConsumerConfig, topologyNames } from "@reveille/shared/protocol/topology";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { SimClient } from "./client.js";
import type { JetStream } from "./jetstream.js";

/** Makes the durable of a pool. @throws RuntimeError `BrokerUnavailable` when there is no stream for it. */
export async function ensureSimPoolConsumer(
  client: SimClient,
  jetstream: JetStream,
  subjects: Subjects,
  pool: string,
): Promise<void> {
  const config = poolConsumerConfig(subjects, pool);
  const { exec } = topologyNames(subjects.prefix);
  try {
    await client.call(() =>
      jetstream.addConsumer(exec, {
        name: config.durable_name,
        filter: config.filter_subject,
        startSeq: 1,
        explicitAck: true,
        ackWaitMs: config.ack_wait / 1_000_000,
        ackPendingMax: config.max_ack_pending,
        durable: true,
        inactiveMs: 0,
      }),
    );
  } catch (error) {
    throw brokerUnavailable(`consumer of pool ${pool}: ${(error as Error).message}`, error);
  }
}
