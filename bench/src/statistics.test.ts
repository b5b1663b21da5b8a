import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { percentile, readable, summarise } from "./statistics.js";

describe("percentile", () => {
  test.each([
    [[7], 0.5, 7],
    [[7], 0.99, 7],
    [[1, 2], 0.5, 1],
    [[3, 1, 2], 0.5, 2],
    [Array.from({ length: 100 }, (_, at) => 100 - at), 0.99, 99],
    [Array.from({ length: 100 }, (_, at) => 100 - at), 1, 100],
  ])("of %j at %d is %d", (samples, q, expected) => {
    expect(percentile(samples, q)).toBe(expected);
  });

  test("sorts by value, not as text", () => {
    expect(percentile([10, 9, 100], 0.5)).toBe(10);
  });

  test.each([0, -1, 1.01, Number.NaN])("refuses the share %d", (q) => {
    expect(() => percentile([1], q)).toThrow(/not in/);
  });

  test("is a sample, and at least the share of samples does not exceed it", () => {
    const samples = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 1 });
    const share = fc.double({ min: 0.01, max: 1, noNaN: true });
    fc.assert(
      fc.property(samples, share, (values, q) => {
        const found = percentile(values, q);
        expect(values).toContain(found);
        const below = values.filter((value) => value <= found).length;
        expect(below).toBeGreaterThanOrEqual(Math.ceil(values.length * q));
      }),
    );
  });

  test("leaves its input as it was", () => {
    const samples = [3, 1, 2];
    percentile(samples, 0.5);
    expect(samples).toEqual([3, 1, 2]);
  });
});

describe("summarise", () => {
  test("gives all figures", () => {
    expect(summarise([4, 2, 6])).toEqual({ count: 3, min: 2, p50: 4, p99: 6, max: 6, mean: 4 });
  });
  test("refuses nothing and nonsense", () => {
    expect(() => summarise([])).toThrow(/no samples/);
    expect(() => summarise([1, Number.NaN])).toThrow(/finite/);
  });
});

test.each([
  [1234.4, "1,234"],
  [99.96, "100"],
  [12.345, "12.3"],
  [0.012_345, "0.0123"],
  [0, "0"],
  [Number.NaN, "-"],
])("%d reads %s", (value, text) => {
  expect(readable(value)).toBe(text);
});
