import { expect, test } from "vitest";
import { incompleteEnd, startOfText } from "./utf8.js";

const penguin = Buffer.from("\u{1F427}");

test.each([
  [[], 0],
  [[0x61], 0],
  [[...penguin], 0],
  [[...penguin.subarray(0, 1)], 1],
  [[...penguin.subarray(0, 2)], 2],
  [[0x61, ...penguin.subarray(0, 3)], 3],
  [[0xc3], 1],
  [[0xc3, 0xa9], 0],
  [[0x80, 0x80, 0x80, 0x80], 0],
  [[0xff], 0],
])("the end of %j lacks %i bytes of a character", (bytes, expected) => {
  expect(incompleteEnd(Uint8Array.from(bytes))).toBe(expected);
});

test("a cut character's rest is skipped, but never more than three bytes", () => {
  expect(startOfText(penguin.subarray(1))).toBe(3);
  expect(startOfText(Buffer.from("a"))).toBe(0);
  expect(startOfText(Buffer.alloc(9, 0x80))).toBe(3);
});
