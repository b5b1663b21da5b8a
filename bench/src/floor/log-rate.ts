/** MB/s of one log from a bare JetStream publisher to a live subscriber, each in a process of its own. */
import { createStreams } from "./pipeline.js";
import { startWorker } from "./process.js";
import type { LogPublisherInput } from "./log-publisher.js";
import type { LogSubscriberInput, LogSubscriberResult } from "./log-subscriber.js";
import { subjects } from "./settings.js";

export interface LogRate {
  bytes: number;
  chunkBytes: number;
  seconds: number;
  megabytesPerSecond: number;
}

/** The longest that a log may take: 1 MB/s for 200 MB. */
const logTimeoutMs = 200_000;

/** Publishes `bytes` in chunks of `chunkBytes`, at most `inFlightMax` of them unacknowledged. */
export async function measureLogRate(
  natsUrl: string,
  options: { bytes: number; chunkBytes: number; inFlightMax: number },
): Promise<LogRate> {
  const id = crypto.randomUUID();
  const subject = subjects.stdout(id, id);
  const removeStreams = await createStreams(natsUrl);
  const subscriber = await startWorker("log-subscriber", {
    natsUrl,
    subject,
    bytes: options.bytes,
  } satisfies LogSubscriberInput);
  const publisher = await startWorker("log-publisher", {
    natsUrl,
    subject,
    ...options,
  } satisfies LogPublisherInput);
  try {
    const arrived = subscriber.result<LogSubscriberResult>(logTimeoutMs);
    const published = publisher.result(logTimeoutMs);
    publisher.send("go");
    const [{ firstAt, lastAt, bytes }] = await Promise.all([arrived, published]);
    const seconds = (lastAt - firstAt) / 1e6;
    return {
      bytes,
      chunkBytes: options.chunkBytes,
      seconds,
      megabytesPerSecond: bytes / 1e6 / seconds,
    };
  } finally {
    await Promise.all([subscriber.stop(), publisher.stop()]);
    await removeStreams();
  }
}
