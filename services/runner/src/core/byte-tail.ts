/**
 * The last N bytes of a stream, and text made of them. Copies into one growing buffer: keeping slices
 * of what was read would keep the reader's whole blocks alive.
 */
import { startOfText, incompleteEnd } from "./utf8.js";

export interface ByteTail {
  push(chunk: Uint8Array): void;
  /** The end of what was pushed, as text of at most `bytesMax` bytes in UTF-8; bad bytes become U+FFFD. */
  text(bytesMax: number): string;
}

/** First size of the buffer: most runs print less. */
const sizeFirst = 1_024;

/** Keeps at most `limit` bytes. */
export function createByteTail(limit: number): ByteTail {
  let buffer = Buffer.alloc(0);
  let end = 0; // position after the newest byte, in a ring once the buffer has its full size
  let length = 0;

  const reserve = (needed: number): void => {
    if (needed <= buffer.length || buffer.length === limit) return;
    const size = Math.min(limit, Math.max(sizeFirst, needed, buffer.length * 2));
    const grown = Buffer.alloc(size);
    buffer.copy(grown, 0, 0, length); // not wrapped before the full size is reached
    buffer = grown;
    end = length;
  };
  return {
    push: (chunk) => {
      const kept = chunk.length > limit ? chunk.subarray(chunk.length - limit) : chunk;
      reserve(length + kept.length);
      const first = Math.min(kept.length, buffer.length - end);
      buffer.set(kept.subarray(0, first), end);
      buffer.set(kept.subarray(first), 0);
      end = (end + kept.length) % (buffer.length || 1);
      length = Math.min(buffer.length, length + kept.length);
      if (length < buffer.length) end = length;
    },
    text: (bytesMax) => {
      if (length === 0) return "";
      const whole = length < buffer.length || end === 0;
      const ordered = whole
        ? buffer.subarray(0, length)
        : Buffer.concat([buffer.subarray(end), buffer.subarray(0, end)]);
      return textEnd(ordered, Math.min(bytesMax, limit));
    },
  };
}

/** Text of at most `bytesMax` bytes from the end of `bytes`, begun at a character. */
export function textEnd(bytes: Buffer, bytesMax: number): string {
  const cut = bytes.length > bytesMax ? bytes.subarray(bytes.length - bytesMax) : bytes;
  const from = cut === bytes ? 0 : startOfText(cut);
  const text = cut.toString("utf8", from, cut.length - incompleteEnd(cut));
  if (Buffer.byteLength(text) <= bytesMax) return text;
  // Replacement characters take three bytes for one: cut again, now on valid text.
  const encoded = Buffer.from(text);
  const last = encoded.subarray(encoded.length - bytesMax);
  return last.toString("utf8", startOfText(last));
}
