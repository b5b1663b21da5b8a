import fc from "fast-check";
import { expect, test } from "vitest";
import { deriveId } from "./ids.js";
import { defaultPartitionCount, partitionOf } from "./partition.js";

// Golden: a change here would move every agent away from its cursor. `test/src/partition-hash.test.ts` asks a real server for the same.
test.each([
  ["00000000-0000-4000-8000-000000000000", 53, 1],
  ["ffffffff-ffff-4fff-bfff-ffffffffffff", 11, 9],
  ["5d3b9470-69da-802c-8c8a-6a4e6fd73b68", 4, 2],
  ["3f645f39-f5f4-8198-b08a-5953bad82773", 3, 9],
  ["e33ae83a-c95d-836c-9cf5-1fa13bbea350", 58, 6],
])("%s is in partition %i of 64 and %i of 10", (id, of64, of10) => {
  expect(partitionOf(id, 64)).toBe(of64);
  expect(partitionOf(id, 10)).toBe(of10);
});

test("a partition is always one of those that exist", () => {
  fc.assert(
    fc.property(fc.uuid(), fc.integer({ min: 1, max: 1_024 }), (id, count) => {
      const partition = partitionOf(id, count);
      expect(Number.isInteger(partition) && partition >= 0 && partition < count).toBe(true);
    }),
  );
});

test("agents spread over the partitions", () => {
  const counts = Array<number>(defaultPartitionCount).fill(0);
  const agents = 64_000;
  for (let at = 0; at < agents; at += 1)
    counts[partitionOf(deriveId(`${at}`), defaultPartitionCount)]! += 1;
  // 1,000 expected in each, standard deviation 31: six of them either way.
  expect(Math.min(...counts)).toBeGreaterThan(810);
  expect(Math.max(...counts)).toBeLessThan(1_190);
});
