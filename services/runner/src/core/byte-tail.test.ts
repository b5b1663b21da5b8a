import { expect, test } from "vitest";
import fc from "fast-check";
import { createByteTail, textEnd } from "./byte-tail.js";

test("keeps exactly the last bytes, however they were cut", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 64 }),
      (chunks, limit) => {
        const tail = createByteTail(limit);
        for (const chunk of chunks) tail.push(chunk);
        const all = Buffer.concat(chunks);
        expect(tail.text(limit)).toBe(
          textEnd(all.subarray(Math.max(0, all.length - limit)), limit),
        );
      },
    ),
  );
});

test("its text is valid and within its bytes, whatever the bytes are", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 100 }),
      (bytes, max) => {
        const text = textEnd(Buffer.from(bytes), max);
        expect(Buffer.byteLength(text)).toBeLessThanOrEqual(max);
        expect(Buffer.from(text).toString()).toBe(text);
      },
    ),
  );
});

test("a cut text begins and ends at a character", () => {
  const tail = createByteTail(7);
  tail.push(Buffer.from("a\u{1F427}b\u{1F427}"));
  expect(tail.text(7)).toBe("b\u{1F427}");
  expect(textEnd(Buffer.from("h\u00e9llo"), 4)).toBe("llo");
  expect(textEnd(Buffer.from("\u{1F427}").subarray(0, 3), 10)).toBe("");
});

test("nothing pushed is no text", () => {
  expect(createByteTail(10).text(10)).toBe("");
});
