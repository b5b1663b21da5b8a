/**
 * Publishes one log to JetStream as chunks of one size, with sequence and offset as headers and a bounded
 * number unacknowledged: what a runner does with a pipe, without the pipe.
 */
import { headers } from "@nats-io/transport-node";
import { connectNats, createPublisher } from "./connections.js";
import { childOf } from "./process.js";

export interface LogPublisherInput {
  natsUrl: string;
  subject: string;
  bytes: number;
  chunkBytes: number;
  inFlightMax: number;
}

const parent = childOf<LogPublisherInput>();
const { natsUrl, subject, bytes, chunkBytes, inFlightMax } = await parent.input;
const connection = await connectNats(natsUrl, "floor-log-publisher");
const publisher = createPublisher(connection, inFlightMax);
// Pseudo-random once: compressible content would flatter a store that compresses.
const block = Buffer.alloc(chunkBytes);
for (let at = 0, state = 1; at < chunkBytes; at += 1) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  block[at] = state >>> 24;
}
parent.onInput(() => {
  publishAll().then(() => parent.result({}), parent.fail);
});
parent.ready();

async function publishAll(): Promise<void> {
  const all: Promise<void>[] = [];
  for (let offset = 0, chunk = 0; offset < bytes; offset += chunkBytes, chunk += 1) {
    const data = offset + chunkBytes <= bytes ? block : block.subarray(0, bytes - offset);
    const hdrs = headers();
    hdrs.set("Seq", String(chunk));
    hdrs.set("Offset", String(offset));
    hdrs.set("Time", new Date().toISOString());
    const stored = publisher.publish(subject, data, hdrs);
    all.push(stored);
    // Back-pressure: the loop runs ahead of the acknowledgements by the bound only.
    if (all.length > inFlightMax) await all[all.length - inFlightMax];
  }
  await Promise.all(all);
}
