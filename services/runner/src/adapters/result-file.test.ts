import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import type { UsageSoFar } from "../adapter.js";
import { lineBytesMax, watchResultFile } from "./result-file.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-result-"));
let path = "";
let count = 0;
beforeEach(() => {
  vi.useFakeTimers();
  path = join(scratch, `result-${count++}`);
});
afterEach(() => vi.useRealTimers());
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const lastWord = () => watchResultFile(path, () => undefined).close();

test("no file, an empty one and blank lines are no word at all", () => {
  expect(lastWord()).toBeNull();
  writeFileSync(path, "");
  expect(lastWord()).toBeNull();
  writeFileSync(path, "\n \n\n");
  expect(lastWord()).toBeNull();
});

test("the last line that is not blank counts, with or without an end", () => {
  writeFileSync(path, '{"summary":"first"}\n{"summary":"last"}');
  expect(lastWord()).toEqual({ reported: { summary: "last" }, wrong: [] });
  appendFileSync(path, "\n\n  \n");
  expect(lastWord()).toEqual({ reported: { summary: "last" }, wrong: [] });
});

test("a long line is refused, a long file is not", () => {
  writeFileSync(path, `${"x".repeat(300_000)}\n{"summary":"s"}\n`);
  expect(lastWord()).toMatchObject({ reported: { summary: "s" } });
  writeFileSync(path, JSON.stringify({ summary: "x".repeat(lineBytesMax) }));
  expect(lastWord()?.wrong[0]).toContain("longer than 65536");
});

test("what is no file of text is named, and nobody waits for it", () => {
  symlinkSync("/etc/passwd", path);
  expect(lastWord()?.wrong[0]).toContain("ELOOP");
  path = join(scratch, "pipe");
  execFileSync("/bin/sh", ["-c", `mkfifo "$0"`, path]);
  expect(lastWord()?.wrong[0]).toContain("no regular file");
  writeFileSync((path = join(scratch, "garbage")), "{oops");
  expect(lastWord()?.wrong[0]).toContain("no JSON");
});

test("usage is heard while the process runs: complete lines, each change once", () => {
  const heard: UsageSoFar[] = [];
  const file = watchResultFile(path, (used) => heard.push(used));
  vi.advanceTimersByTime(600);
  appendFileSync(path, '{"costUsd":0.1}');
  vi.advanceTimersByTime(600);
  expect(heard).toEqual([]);
  appendFileSync(path, "\n");
  vi.advanceTimersByTime(600);
  appendFileSync(path, '{"costUsd":0.1}\n');
  vi.advanceTimersByTime(600);
  appendFileSync(path, '{"summary":"no usage"}\n{"costUsd":0.3}\n');
  vi.advanceTimersByTime(600);
  expect(heard).toEqual([{ costUsd: 0.1 }, { costUsd: 0.3 }]);
  expect(file.close()).toMatchObject({ reported: { costUsd: 0.3 } });
  appendFileSync(path, '{"costUsd":9}\n');
  vi.advanceTimersByTime(2_000);
  expect(heard).toHaveLength(2);
});
