import { expect, test } from "vitest";
import { logBlocks } from "./log-content.js";

test.each([0, 1, 65_535, 65_536, 200_000])("has exactly %d bytes", (bytes) => {
  expect(Buffer.concat([...logBlocks(bytes)]).length).toBe(bytes);
});

test("is the same every time, and no two blocks are equal", () => {
  const blocks = [...logBlocks(200_000)];
  expect([...logBlocks(200_000)]).toEqual(blocks);
  expect(new Set(blocks.map((block) => block.toString("latin1"))).size).toBe(blocks.length);
});
