import { expect, test } from "vitest";
import { bytes, duration, money, relative } from "./format.js";

test("durations have their largest units", () => {
  const said = [0, 340, 1_250, 61_000, 3_600_000, 93_784_000].map(duration);
  expect(said).toEqual(["0 ms", "340 ms", "1.2 s", "1 min 1 s", "1 h", "1 d 2 h"]);
});

test("moments are told from now", () => {
  const now = Date.parse("2026-01-01T12:00:00Z");
  expect(relative("2026-01-01T11:58:00Z", now)).toBe("2 min ago");
  expect(relative("2026-01-01T12:00:20Z", now)).toBe("in 20 s");
  expect([relative("2026-01-01T12:00:00Z", now), relative(null, now)]).toEqual(["now", "–"]);
});

test("money and sizes are rounded", () => {
  expect([money(0), money(1234), bytes(999), bytes(200_000_000)]).toEqual([
    "$0.00",
    "$12.34",
    "999 B",
    "200.0 MB",
  ]);
});
