import { expect, test } from "vitest";
import { besideFloor, check, figure } from "./figure.js";
import { findingsHold, table, type Report } from "./report.js";

const report = (scenarios: Report["scenarios"]): Report => ({
  format: 1,
  takenAt: "2026-01-02T03:04:05.000Z",
  machine: {
    cores: 2,
    model: "Some CPU",
    memoryGiB: 8,
    kernel: "linux x64",
    loadBefore: [0.1, 0.2, 0.3],
    busy: false,
    commit: "abc",
    dirty: false,
    versions: { node: "20", nats: "2.15", postgres: "15" },
  },
  quick: false,
  scenarios,
  holds: true,
});

test("a limit on a figure is a limit on the value, beside a floor on the ratio", () => {
  const bar = { direction: "higher", limit: 0.6 } as const;
  expect(figure("a", 800, "runs/s", { direction: "higher", limit: 800 }).bar?.holds).toBe(true);
  expect(figure("a", 799, "runs/s", { direction: "higher", limit: 800 }).bar?.holds).toBe(false);
  const beside = besideFloor("a", 300, "runs/s", { name: "raw", value: 600 }, bar);
  expect(beside).toMatchObject({ ratio: 0.5, bar: { holds: false, text: "at least 0.6 x floor" } });
  const lower = { direction: "lower", limit: 2 } as const;
  expect(besideFloor("a", 10, "ms", { name: "b", value: 5 }, lower).bar?.holds).toBe(true);
});

test("a missed bar, a failed check and a failed scenario are all seen", () => {
  const missed = figure("a", 1, "x", { direction: "higher", limit: 2 });
  expect(findingsHold({ figures: [missed], checks: [] })).toBe(false);
  expect(findingsHold({ figures: [], checks: [check("a", false, "b")] })).toBe(false);
  expect(findingsHold({ failed: "why" })).toBe(false);
  expect(findingsHold({ figures: [figure("a", 1, "x")], checks: [] })).toBe(true);
});

test("the table has a line for everything, and columns that line up", () => {
  const text = table(
    report({
      rates: {
        figures: [besideFloor("runs", 1_000, "runs/s", { name: "bare", value: 2_000 })],
        checks: [check("nothing lost", true, "0 lost")],
      },
      broken: { failed: "no server" },
    }),
  );
  const lines = text.split("\n");
  expect(lines).toContain("broken FAILED: no server");
  const row = lines.find((line) => line.startsWith("rates: runs"))!;
  expect(row).toMatch(/1,000 runs\/s\s+2,000 \(bare\)\s+0\.50/);
  const heading = lines.find((line) => line.startsWith("figure"))!;
  expect(row.indexOf("2,000")).toBe(heading.indexOf("floor"));
  expect(text).toMatch(/nothing lost\s+0 lost\s+must hold\s+holds/);
});
