import { expect, test } from "vitest";
import { ago, byteSize, duration, formatTable, orDash } from "./output.js";

test("columns are as wide as what they show, colour codes not counted", () => {
  expect(
    formatTable(
      ["A", "B"],
      [
        ["\u001B[32mgreen\u001B[0m", "x"],
        ["y", "z"],
      ],
    ),
  ).toBe("A      B\n\u001B[32mgreen\u001B[0m  x\ny      z");
});

test("a value cannot move the cursor or begin a line of its own", () => {
  const table = formatTable(["NAME"], [["evil\u001B[2J\u001B]0;title\u0007\r\nfake"]]);
  // oxlint-disable-next-line no-control-regex -- it is control characters that must not be there
  expect(table.slice("NAME\n".length)).not.toMatch(/[\u0000-\u001F]/);
});

test.each([
  [940, "940 ms"],
  [12_340, "12.3 s"],
  [240_000, "4 min"],
  [5 * 3_600_000, "5 h"],
  [3 * 86_400_000, "3 d"],
])("%d ms reads as %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

test("absent values are dashes; times in the future are now", () => {
  expect(orDash(null)).toBe("-");
  expect(orDash(0)).toBe("0");
  expect(orDash({ a: 1 })).toBe('{"a":1}');
  expect(ago(undefined, 0)).toBe("-");
  expect(ago(new Date(5_000).toISOString(), 4_000)).toBe("0 ms ago");
  expect(byteSize(1_536)).toBe("1.5 KiB");
});
