/**
 * Follows a log live, as anybody with a NATS client would: one core subscription, bytes counted and hashed
 * in the order of arrival. Serves floor and product alike.
 */
import { createHash } from "node:crypto";
import { nowMicros, type Micros } from "./clock.js";
import { connectNats } from "./connections.js";
import { childOf } from "./process.js";

export interface LogSubscriberInput {
  natsUrl: string;
  /** May hold wildcards; empty messages are not counted. */
  subject: string;
  /** Bytes after which the result is sent. */
  bytes: number;
}
export interface LogSubscriberResult {
  bytes: number;
  chunks: number;
  sha256: string;
  firstAt: Micros;
  lastAt: Micros;
}

const parent = childOf<LogSubscriberInput>();
const { natsUrl, subject, bytes: wanted } = await parent.input;
const connection = await connectNats(natsUrl, "bench-log-subscriber");
const hash = createHash("sha256");
let bytes = 0;
let chunks = 0;
let firstAt = 0;
connection.subscribe(subject, {
  callback: (error, message) => {
    if (error || message.data.length === 0 || bytes >= wanted) return;
    firstAt ||= nowMicros();
    chunks += 1;
    bytes += message.data.length;
    hash.update(message.data);
    if (bytes < wanted) return;
    const sha256 = hash.digest("hex");
    parent.result({
      bytes,
      chunks,
      sha256,
      firstAt,
      lastAt: nowMicros(),
    } satisfies LogSubscriberResult);
  },
});
await connection.flush();
parent.ready();
