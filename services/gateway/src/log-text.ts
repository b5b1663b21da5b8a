/**
 * A run's log as NDJSON text, `{ts, stream, chunk}` a line. The text is a function of the chunks in
 * order alone, so that offsets into it mean the same at every read. A character that was cut between
 * two chunks goes to the later one. Pure.
 */
import type { LogChunk } from "@reveille/shared/protocol/log-order";
import type { LogStreamName } from "@reveille/shared/protocol/subjects";

/** What the text before some point leaves over for the text after it. */
export interface TextState {
  attempt: number;
  /** The time of the last chunk: what is told late is told with it. */
  time: string;
  /** Bytes of a character that is not whole yet, at most 3 a stream. */
  tails: Partial<Record<LogStreamName, Uint8Array>>;
}

export const emptyText: TextState = { attempt: 0, time: "", tails: {} };

/** The lines of one chunk, and the state after it. */
export function renderChunk(state: TextState, chunk: LogChunk): { text: string; state: TextState } {
  let text = "";
  let tails = state.tails;
  if (chunk.attempt !== state.attempt) {
    text += renderTails(state);
    tails = {};
  }
  if (chunk.missing)
    text += line(chunk.time, "system", `[${chunk.missing} chunks of the log are lost]\n`);
  if (chunk.end) {
    text += renderTails({ ...state, tails });
    if (chunk.end.cut) text += line(chunk.time, "system", `[log cut: ${chunk.end.cut}]\n`);
    return { text, state: { attempt: chunk.attempt, time: chunk.time, tails: {} } };
  }
  const tail = tails[chunk.stream];
  const bytes = tail ? Buffer.concat([tail, chunk.bytes]) : Buffer.from(chunk.bytes);
  const whole = wholeCharacters(bytes);
  if (whole > 0) text += line(chunk.time, chunk.stream, bytes.toString("utf8", 0, whole));
  return {
    text,
    state: {
      attempt: chunk.attempt,
      time: chunk.time,
      tails: { ...tails, [chunk.stream]: Uint8Array.from(bytes.subarray(whole)) },
    },
  };
}

/** What is left when nothing more comes: halves of characters, as U+FFFD. */
export function renderTails(state: TextState): string {
  return Object.entries(state.tails)
    .filter(([, tail]) => tail.length > 0)
    .map(([stream, tail]) => line(state.time, stream, Buffer.from(tail).toString("utf8")))
    .join("");
}

/**
 * Characters of a line: a quarter of the smallest page that clients read by (16 KiB), so that a whole line fits even when many
 * characters have to be escaped. Some clients lose a line that two pages share.
 */
const lineMax = 4_096;

function line(ts: string, stream: string, chunk: string): string {
  if (chunk.length <= lineMax) return `${JSON.stringify({ ts, stream, chunk })}\n`;
  const lines: string[] = [];
  for (let start = 0; start < chunk.length;) {
    const end = cutAt(chunk, start + lineMax);
    lines.push(`${JSON.stringify({ ts, stream, chunk: chunk.slice(start, end) })}\n`);
    start = end;
  }
  return lines.join("");
}

/** `at`, or one further when that would part the two halves of a character. */
const cutAt = (text: string, at: number): number =>
  (text.charCodeAt(at - 1) & 0xfc00) === 0xd800 ? at + 1 : at;

/** How many of these bytes are whole characters (or no UTF-8 at all); the rest may still become one. */
export function wholeCharacters(bytes: Uint8Array): number {
  const end = bytes.length;
  for (let back = 1; back <= 3 && back <= end; back += 1) {
    const byte = bytes[end - back]!;
    if ((byte & 0xc0) === 0x80) continue; // a continuation: its lead is further back
    const wanted = byte >= 0xf0 && byte < 0xf8 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return wanted > back && byte < 0xf8 ? end - back : end;
  }
  return end;
}

/** The first index at or after `at` that does not lie inside a character of valid UTF-8. */
export function characterStart(bytes: Uint8Array, at: number): number {
  let start = at;
  while (start < bytes.length && (bytes[start]! & 0xc0) === 0x80) start += 1;
  return start;
}
