/** How full a stream is: what admission looks at. Creates and changes nothing. */
import { JetStreamApiError } from "@nats-io/jetstream";
import { brokerUnavailable } from "../errors.js";
import type { Bus } from "./bus.js";

/** JetStream's code for "stream not found". */
const streamNotFound = 10059;

/**
 * Bytes stored as a fraction of the stream's limit; 0 without a limit, null when there is no such
 * stream. @throws RuntimeError `BrokerUnavailable`.
 */
export async function streamFill(bus: Bus, stream: string): Promise<number | null> {
  try {
    const info = await bus.jsm.streams.info(stream);
    return info.config.max_bytes > 0 ? info.state.bytes / info.config.max_bytes : 0;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === streamNotFound) return null;
    throw brokerUnavailable(`stream ${stream}: ${(error as Error).message}`, error);
  }
}
