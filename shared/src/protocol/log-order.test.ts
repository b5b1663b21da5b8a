import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { createLogOrder, parseLogEnd } from "./log-order.js";
import type { LogChunk } from "./log-order.js";

const chunk = (attempt: number, seq: number): LogChunk => ({
  attempt,
  seq,
  stream: "stdout",
  offset: 0,
  time: "",
  bytes: Uint8Array.of(seq),
});
const numbers = (chunks: LogChunk[]): number[][] =>
  chunks.map(({ attempt, seq }) => [attempt, seq]);

describe("order of log chunks", () => {
  test("given any order and any repeats, every chunk is told once and in order", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 30 }).chain((count) =>
          fc.tuple(
            fc.constant(count),
            fc.shuffledSubarray(
              Array.from({ length: count }, (_, at) => at),
              { minLength: count, maxLength: count },
            ),
            fc.array(fc.integer({ min: 0, max: count - 1 })),
          ),
        ),
        ([count, arrival, repeats]) => {
          const order = createLogOrder();
          const told = [...arrival, ...repeats].flatMap((seq) => order.accept(chunk(1, seq)));
          expect(told.map(({ seq }) => seq)).toEqual(Array.from({ length: count }, (_, at) => at));
          expect(order.holding).toBe(false);
        },
      ),
    );
  });

  test("given a hole, what follows is held back until it is closed", () => {
    const order = createLogOrder();
    expect(order.accept(chunk(1, 1))).toEqual([]);
    expect(order.holding).toBe(true);
    expect(numbers(order.accept(chunk(1, 0)))).toEqual([
      [1, 0],
      [1, 1],
    ]);
    expect(order.position).toEqual({ attempt: 1, next: 2 });
  });

  test("given a hole that stays, the flush says how many are missing", () => {
    const order = createLogOrder();
    order.accept(chunk(1, 3));
    order.accept(chunk(1, 7));
    expect(order.flush().map(({ seq, missing }) => [seq, missing])).toEqual([
      [3, 3],
      [7, 3],
    ]);
  });

  test("given a new attempt, the old one's rest comes first and its latecomers never", () => {
    const order = createLogOrder();
    order.accept(chunk(1, 0));
    order.accept(chunk(1, 2));
    expect(numbers(order.accept(chunk(2, 0)))).toEqual([
      [1, 2],
      [2, 0],
    ]);
    expect(order.accept(chunk(1, 1))).toEqual([]);
  });

  test("given a hole that nothing closes, no more than a bound is held back", () => {
    const order = createLogOrder();
    let told = 0;
    for (let seq = 1; seq <= 2_100; seq += 1) told += order.accept(chunk(1, seq)).length;
    expect(told).toBe(2_100);
  });
});

describe("the closing header", () => {
  test("reads numbers, hash and reason", () => {
    expect(parseLogEnd("chunks=3; bytes=10; sha256=ab; cut=disk; full=yes")).toEqual({
      chunks: 3,
      bytes: 10,
      sha256: "ab",
      cut: "disk; full=yes",
    });
    expect(parseLogEnd("chunks=0; bytes=0; sha256=ab")?.cut).toBeNull();
  });
  test.each(["", "chunks=x; bytes=1", "nothing"])("%j is none", (text) => {
    expect(parseLogEnd(text)).toBeNull();
  });
});
