import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { systemClock } from "@reveille/shared/runtime/clock";
import { startOf } from "../process-identity.js";
import { takeFolderLock, tryFolderLock } from "./folder-lock.js";

const scratch = mkdtempSync(join(tmpdir(), "reveille-lock-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let count = 0;
const folder = (): string => join(scratch, String((count += 1)));
const never = new AbortController().signal;

test("one holds it, the next gets it after the release, and releasing twice takes it from nobody", () => {
  const at = folder();
  const first = tryFolderLock(at, systemClock)!;
  expect(tryFolderLock(at, systemClock)).toBeNull();
  first.release();
  const second = tryFolderLock(at, systemClock)!;
  first.release();
  expect(tryFolderLock(at, systemClock)).toBeNull();
  second.release();
  expect(readdirSync(at)).toEqual(["2"]);
});

test("waiting ends with the release, with the limit, and with the signal", async () => {
  const at = folder();
  const held = tryFolderLock(at, systemClock)!;
  expect(await takeFolderLock(at, systemClock, 150, never)).toBeNull();
  expect(await takeFolderLock(at, systemClock, 60_000, AbortSignal.abort())).toBeNull();
  const waiting = takeFolderLock(at, systemClock, 60_000, never);
  held.release();
  expect(await waiting).not.toBeNull();
});

test("a lock ends with its process", async () => {
  const at = folder();
  tryFolderLock(at, systemClock)!.release();
  // Another process's file, as it would have written it: this one's with another pid.
  const child = spawn("sleep", ["60"]);
  const space = JSON.parse(holderOfOne()) as { space: string };
  const start = startOf(child.pid!);
  writeFileSync(join(at, "2"), JSON.stringify({ pid: child.pid, start, space: space.space }));
  expect(tryFolderLock(at, systemClock)).toBeNull();
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(tryFolderLock(at, systemClock)).not.toBeNull();
});

test("a holder that cannot be seen is believed as long as it gives signs of life", () => {
  const at = folder();
  tryFolderLock(at, systemClock)!.release();
  const other = join(at, "2");
  writeFileSync(other, JSON.stringify({ pid: 1, start: "1", space: "another container" }));
  expect(tryFolderLock(at, systemClock)).toBeNull();
  const old = Date.now() / 1_000 - 121;
  utimesSync(other, old, old);
  expect(tryFolderLock(at, systemClock)).not.toBeNull();
});

test("of twenty that find a dead holder, one gets the lock at a time", async () => {
  const at = folder();
  tryFolderLock(at, systemClock)!.release();
  writeFileSync(join(at, "2"), JSON.stringify({ pid: 2 ** 22 + 1, start: "1", space: "gone" }));
  utimesSync(join(at, "2"), 1, 1);
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const lock = await takeFolderLock(at, systemClock, 60_000, never);
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resume) => setImmediate(resume));
      inside -= 1;
      lock!.release();
    }),
  );
  expect(most).toBe(1);
});

const holderOfOne = (): string => {
  const at = folder();
  const lock = tryFolderLock(at, systemClock)!;
  const text = readFileSync(join(at, "1"), "utf8");
  lock.release();
  return text;
};
