import { describe, expect, test } from "vitest";
import fc from "fast-check";
import type { LogChunk } from "@reveille/shared/protocol/log-order";
import {
  characterStart,
  emptyText,
  renderChunk,
  renderTails,
  wholeCharacters,
} from "./log-text.js";

const chunkOf = (bytes: Uint8Array, seq: number, more: Partial<LogChunk> = {}): LogChunk => ({
  attempt: 1,
  seq,
  stream: "stdout",
  offset: 0,
  time: "2026-01-01T00:00:00.000Z",
  bytes,
  ...more,
});

/** The text that the chunks' lines carry, put together. */
function textOf(chunks: LogChunk[]): string {
  let state = emptyText;
  let lines = "";
  for (const chunk of chunks) {
    const rendered = renderChunk(state, chunk);
    state = rendered.state;
    lines += rendered.text;
  }
  lines += renderTails(state);
  return lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => (JSON.parse(line) as { chunk: string }).chunk)
    .join("");
}

test("given a text cut anywhere, the lines put together are the text", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.array(fc.nat(7)), (text, sizes) => {
      const whole = Buffer.from(text).toString(); // well formed
      const bytes = Buffer.from(whole);
      const chunks: LogChunk[] = [];
      let at = 0;
      for (const size of sizes) {
        chunks.push(chunkOf(bytes.subarray(at, at + size), chunks.length));
        at += size;
      }
      chunks.push(chunkOf(bytes.subarray(at), chunks.length));
      expect(textOf(chunks)).toBe(whole);
    }),
  );
});

test("given bytes that are no UTF-8, rendering goes on and ends", () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      const rest = bytes.length - wholeCharacters(bytes);
      expect(rest).toBeGreaterThanOrEqual(0);
      expect(rest).toBeLessThanOrEqual(3);
      expect(textOf([chunkOf(bytes, 0)])).toBe(Buffer.from(bytes).toString("utf8"));
    }),
  );
});

describe("what a log lacks is said in it", () => {
  test("a reason in the closing message", () => {
    const end = { chunks: 1, bytes: 1, sha256: "", cut: "store full" };
    expect(textOf([chunkOf(Buffer.from("a"), 0), chunkOf(new Uint8Array(), 1, { end })])).toBe(
      "a[log cut: store full]\n",
    );
  });
  test("chunks that are gone", () => {
    expect(textOf([chunkOf(Buffer.from("b"), 5, { missing: 5 })])).toBe(
      "[5 chunks of the log are lost]\nb",
    );
  });
  test("half a character of an attempt that was lost", () => {
    const half = Buffer.from("€").subarray(0, 2);
    expect(textOf([chunkOf(half, 0), chunkOf(Buffer.from("x"), 0, { attempt: 2 })])).toBe(
      "\ufffdx",
    );
  });
});

test("a page starts after the character that it would cut", () => {
  const bytes = Buffer.from("a€b");
  expect([0, 1, 2, 3, 4, 5].map((at) => characterStart(bytes, at))).toEqual([0, 1, 4, 4, 4, 5]);
});

test("a long chunk becomes several lines, none of which cuts a character, so that a reader's page can hold whole ones [B27]", () => {
  const text = `${"x".repeat(4_095)}🐧${"\u001b[0m".repeat(4_000)}`;
  const { text: lines } = renderChunk(emptyText, chunkOf(Buffer.from(text), 0));
  const chunks = lines
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { chunk: string }).chunk);
  expect(chunks.join("")).toBe(text);
  expect(chunks[0]?.endsWith("🐧")).toBe(true);
  expect(Math.max(...chunks.map(({ length }) => length))).toBe(4_097);
  expect(Math.max(...lines.split("\n").map(({ length }) => length))).toBeLessThan(16_384);
});
