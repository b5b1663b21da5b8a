import { expect, test } from "vitest";
import { noStyle } from "./ansi.js";
import type { LogLine } from "./log-buffer.js";
import { cellsOf, LogRows } from "./log-rows.js";

const line = (text: string, stream = "stdout"): LogLine => ({
  number: 1,
  attempt: 1,
  stream,
  ts: "",
  text,
  cut: 0,
  start: noStyle,
});

test("wrapped lines take as many rows as they need, and rows find their line", () => {
  const rows = new LogRows({ columns: 10, hidden: new Set() });
  rows.update([line(""), line("x".repeat(25)), line("short")], 0);
  expect(rows.count).toBe(5);
  expect([0, 1, 3, 4, 99].map((row) => rows.positionAt(row))).toEqual([0, 1, 1, 2, 2]);
  expect([rows.rowOf(1), rows.heightOf(1), rows.rowOf(2)]).toEqual([1, 3, 4]);
});

test("colours take no cells, wide characters take two, tabs go to their stop", () => {
  expect(cellsOf("\u65e5\u672c")).toBe(4);
  expect(cellsOf("a\tb")).toBe(9);
  const rows = new LogRows({ columns: 10, hidden: new Set() });
  rows.update([line(`\u001b[31m${"x".repeat(10)}\u001b[0m`)], 0);
  expect(rows.count).toBe(1);
});

test("streams can be hidden, and an update touches only what changed", () => {
  const rows = new LogRows({ columns: null, hidden: new Set(["stderr"]) });
  const lines = [line("a"), line("b", "stderr"), line("c")];
  rows.update(lines, 0);
  expect(rows.shown).toEqual([0, 2]);
  lines[2] = line("c goes on");
  lines.push(line("d"));
  rows.update(lines, 2);
  expect(rows.shown).toEqual([0, 2, 3]);
  expect(rows.count).toBe(3);
});
