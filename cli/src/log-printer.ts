/** Printing a run's log: bytes as they were written, or one JSON line for each piece. */
import { TextDecoder } from "node:util";
import type { LogChunk } from "@reveille/shared/protocol/log-order";
import type { LogStreamName } from "@reveille/shared/protocol/subjects";
import type { Output } from "./output.js";

export interface LogFilter {
  /** Only this stream; the default is all of them, as the process wrote them. */
  stream?: LogStreamName;
}

/** Prints every piece in the order in which it comes; waits for the reader of our output. */
export async function printLog(
  output: Output,
  chunks: AsyncIterable<LogChunk>,
  filter: LogFilter = {},
): Promise<void> {
  const decoders = new Map<string, TextDecoder>();
  for await (const chunk of chunks) {
    if (filter.stream !== undefined && filter.stream !== chunk.stream && !chunk.end) continue;
    if (output.json) output.record(recordOf(chunk, decoders));
    else if (chunk.bytes.length > 0) await output.bytes(chunk.bytes);
    if (chunk.missing) output.note(`[${chunk.missing} pieces of the log are missing here]`);
  }
}

function recordOf(chunk: LogChunk, decoders: Map<string, TextDecoder>): object {
  const { attempt, seq, stream, offset, time, bytes, end } = chunk;
  if (end) return { type: "log.end", attempt, ...end };
  // A character may be cut between two pieces: each stream of each attempt is decoded as one text.
  const key = `${attempt}.${stream}`;
  const decoder = decoders.get(key) ?? new TextDecoder();
  decoders.set(key, decoder);
  const text = decoder.decode(bytes, { stream: true });
  return { type: "log", attempt, seq, stream, offset, bytes: bytes.length, time, text };
}
