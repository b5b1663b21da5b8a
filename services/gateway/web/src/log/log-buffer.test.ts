import { expect, test } from "vitest";
import { isBehind, LogBuffer } from "./log-buffer.js";
import type { LogFrame } from "./log-buffer.js";

const frame = (id: string, chunk: string, stream = "stdout"): LogFrame => ({
  event: "log",
  id,
  data: { attempt: Number(id.split(".")[0]), ts: "2026-01-01T00:00:00.000Z", stream, chunk },
});
const texts = (buffer: LogBuffer) => buffer.lines.map(({ text }) => text);

test("frames become lines, each once", () => {
  const buffer = new LogBuffer();
  expect(buffer.append(frame("1.0.0", "one\ntw"))).toBe(true);
  expect(buffer.append(frame("1.0.0", "one\ntw"))).toBe(false);
  expect(buffer.append(frame("1.1.0", "o\n\nthree"))).toBe(true);
  expect(texts(buffer)).toEqual(["one", "two", "", "three"]);
  expect(buffer.lastId).toBe("1.1.0");
});

test("streams do not run into each other, and neither do attempts", () => {
  const buffer = new LogBuffer();
  buffer.append(frame("1.0.0", "out "));
  buffer.append(frame("1.1.0", "error\n", "stderr"));
  buffer.append(frame("1.2.0", "goes on\n"));
  buffer.append(frame("1.3.0", "unfinished"));
  buffer.append(frame("2.0.0", "anew\n"));
  expect(texts(buffer)).toEqual(["out goes on", "error", "unfinished", "anew"]);
  expect(buffer.lines.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
});

test("a line that is written over shows what was written last", () => {
  const buffer = new LogBuffer();
  buffer.append(frame("1.0.0", "10 %\r50 %\r"));
  buffer.append(frame("1.1.0", "100 %\r\ndone\r\n"));
  expect(texts(buffer)).toEqual(["100 %", "done"]);
});

test("a colour goes on in the next line of its stream alone", () => {
  const buffer = new LogBuffer();
  buffer.append(frame("1.0.0", "\u001b[31mred\n"));
  buffer.append(frame("1.1.0", "plain\n", "stderr"));
  buffer.append(frame("1.2.0", "still red\n"));
  expect(buffer.lines.map(({ start }) => start)).toEqual([{}, {}, { fg: 1 }]);
});

test("lines, their length and their number are bounded, and what is missing is counted", () => {
  const buffer = new LogBuffer({ lines: 10, lineChars: 4 });
  for (let at = 0; at < 25; at += 1) buffer.append(frame(`1.${at}.0`, `line ${at}\n`));
  expect(buffer.lines.length).toBeLessThanOrEqual(10);
  expect(buffer.lines.length + buffer.dropped).toBe(25);
  expect(buffer.lines.at(-1)).toMatchObject({ number: 25, text: "line", cut: 3 });
  const long = new LogBuffer({ chars: 100, lineChars: 60 });
  for (let at = 0; at < 5; at += 1) long.append(frame(`1.${at}.0`, `${"x".repeat(50)}\n`));
  expect(long.lines.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(100);
});

test("it says from which line on it has changed", () => {
  const buffer = new LogBuffer();
  buffer.append(frame("1.0.0", "a\nb\nc"));
  expect(buffer.takeFirstChanged()).toBe(0);
  expect(buffer.takeFirstChanged()).toBe(3);
  buffer.append(frame("1.1.0", " goes on\nd\n"));
  expect(buffer.takeFirstChanged()).toBe(2);
});

test("places are compared as numbers", () => {
  expect(isBehind("1.10.0", "1.9.0")).toBe(true);
  expect(isBehind("2.0.0", "1.99.5")).toBe(true);
  expect(isBehind("1.9.0", "1.9.0")).toBe(false);
});
