import fc from "fast-check";
import { expect, test } from "vitest";
import { createLineReader } from "./line-reader.js";

const linesOf = (chunks: readonly Uint8Array[], bytesMax = 1_000) => {
  const lines: string[] = [];
  const reader = createLineReader(bytesMax, (line) => lines.push(line));
  for (const chunk of chunks) reader.push(chunk);
  reader.end();
  return { lines, skipped: reader.skipped };
};

test("however the bytes are cut, the lines are the same", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "grapheme", maxLength: 20 }), { maxLength: 10 }),
      fc.array(fc.nat(200), { maxLength: 10 }),
      (lines, cuts) => {
        const bytes = Buffer.from(lines.join("\n"));
        const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b)];
        const chunks = at.map((from, index) => bytes.subarray(from, at[index + 1]));
        expect(linesOf(chunks)).toEqual(linesOf([bytes]));
      },
    ),
  );
});

test("blank lines are none, and the last one needs no end", () => {
  expect(linesOf([Buffer.from("a\r\n\n  \nb")]).lines).toEqual(["a", "b"]);
});

test("a line that is too long is passed over, and the next one is read", () => {
  const chunks = ["short\n", "x".repeat(6), "x".repeat(6), "\nnext\n"].map((text) =>
    Buffer.from(text),
  );
  expect(linesOf(chunks, 10)).toEqual({ lines: ["short", "next"], skipped: 1 });
});
