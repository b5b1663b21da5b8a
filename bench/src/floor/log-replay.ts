/**
 * Reads a finished log back from JetStream with an ordered consumer, as anybody with a NATS client would;
 * counts and hashes it.
 */
import { createHash } from "node:crypto";
import { jetstream } from "@nats-io/jetstream";
import { nowMicros } from "./clock.js";
import { connectNats } from "./connections.js";
import { childOf } from "./process.js";
import type { LogSubscriberResult } from "./log-subscriber.js";

export interface LogReplayInput {
  natsUrl: string;
  stream: string;
  subject: string;
  bytes: number;
}

const parent = childOf<LogReplayInput>();
const { natsUrl, stream, subject, bytes: wanted } = await parent.input;
const connection = await connectNats(natsUrl, "bench-log-replay");
parent.onInput(() => {
  replay().then(parent.result, parent.fail);
});
parent.ready();

async function replay(): Promise<LogSubscriberResult> {
  // Without a check of the account: a client without credentials may not ask for it.
  const client = jetstream(connection, { checkAPI: false });
  const firstAt = nowMicros();
  const consumer = await client.consumers.get(stream, { filter_subjects: subject });
  const hash = createHash("sha256");
  let bytes = 0;
  let chunks = 0;
  for await (const message of await consumer.consume({ max_messages: 500 })) {
    bytes += message.data.length;
    chunks += 1;
    hash.update(message.data);
    if (bytes >= wanted) break;
  }
  return { bytes, chunks, sha256: hash.digest("hex"), firstAt, lastAt: nowMicros() };
}
