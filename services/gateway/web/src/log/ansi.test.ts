import { expect, test } from "vitest";
import { noStyle, parseAnsi, plainText, styleAfter } from "./ansi.js";

const esc = "\u001b";

test("colours and flags become styles, and end where they are ended", () => {
  const { spans, end } = parseAnsi(`a${esc}[1;31mb${esc}[22mc${esc}[0md`, noStyle);
  expect(spans).toEqual([
    { text: "a", style: {} },
    { text: "b", style: { bold: true, fg: 1 } },
    { text: "c", style: { fg: 1 } },
    { text: "d", style: {} },
  ]);
  expect(end).toBe(noStyle);
});

test("a style goes on in the next line", () => {
  const style = styleAfter(`${esc}[92mgreen`, noStyle);
  expect(parseAnsi("still green", style).spans).toEqual([
    { text: "still green", style: { fg: 10 } },
  ]);
});

test("256 colours and true colours are known, broken ones are left out", () => {
  const colorOf = (codes: string) => parseAnsi(`${esc}[${codes}mx`, noStyle).spans[0]?.style.fg;
  expect(colorOf("38;5;9")).toBe(9);
  expect(colorOf("38;5;196")).toBe("#ff0000");
  expect(colorOf("38;5;232")).toBe("#080808");
  expect(colorOf("38;2;1;2;255")).toBe("#0102ff");
  expect(colorOf("38:2:1:2:3")).toBe("#010203");
  for (const broken of ["38;5;256", "38;2;1;2", "38;2;1;2;999", "38", "38;7", "999", ";;;"])
    expect(colorOf(broken)).toBeUndefined();
});

test("what moves the cursor, sets a title or makes a link is left out", () => {
  const hostile = `${esc}[2J${esc}[Hone${esc}]0;title\u0007 two${esc}]8;;https://example.com${esc}\\ three${esc}(B${esc}c`;
  expect(
    parseAnsi(hostile, noStyle)
      .spans.map(({ text }) => text)
      .join(""),
  ).toBe("one two three");
  expect(plainText(hostile)).toBe("one two three");
});

test("an escape without its end hides nothing", () => {
  const text = parseAnsi(`${esc}]0;no end of it, and the rest of the line`, noStyle).spans[0]?.text;
  expect(text).toBe("\u241b]0;no end of it, and the rest of the line");
});

test("control characters and marks of direction become visible; markup stays text", () => {
  const text = parseAnsi("a\u0000b\u0007c\u202ed\u009b31m<script>alert(1)</script>\t!", noStyle)
    .spans[0]?.text;
  expect(text).toBe("a\u2400b\u2407c\ufffdd\ufffd31m<script>alert(1)</script>\t!");
});

test("a megabyte of escapes takes no longer than it should", () => {
  const began = performance.now();
  parseAnsi(`${esc}[`.repeat(500_000), noStyle);
  parseAnsi(`${esc}]`.repeat(500_000), noStyle);
  // Linear work takes milliseconds; quadratic work would take minutes.
  expect(performance.now() - began).toBeLessThan(10_000);
});
