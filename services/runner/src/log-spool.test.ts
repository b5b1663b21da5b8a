import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { createLogSpool } from "./log-spool.js";

const folder = mkdtempSync(join(tmpdir(), "reveille-spool-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let names = 0;
const path = (): string => join(folder, `spool-${(names += 1)}`);

test("chunks come back whole and in order, also while others are added", () => {
  const spool = createLogSpool(path, { bytesMax: 1_000, bytes: 0 });
  expect(spool.push("stdout", Buffer.from("one"))).toBe(true);
  expect(spool.push("stderr", Buffer.from([0xff, 0x00, 0xc3]))).toBe(true);
  expect(spool.shift()).toEqual({ stream: "stdout", bytes: Buffer.from("one") });
  expect(spool.push("stdout", Buffer.from("three"))).toBe(true);
  expect(spool.shift()).toEqual({ stream: "stderr", bytes: Buffer.from([0xff, 0x00, 0xc3]) });
  expect(spool.shift()).toEqual({ stream: "stdout", bytes: Buffer.from("three") });
  expect(spool.shift()).toBeNull();
  expect(spool.push("stdout", Buffer.from("again"))).toBe(true);
  expect(spool.shift()?.bytes.toString()).toBe("again");
  spool.close();
});

test("the bound is one for all spools of a runner, and room comes back", () => {
  const budget = { bytesMax: 10, bytes: 0 };
  const [one, other] = [createLogSpool(path, budget), createLogSpool(path, budget)];
  expect(one.push("stdout", Buffer.alloc(6))).toBe(true);
  expect(other.push("stdout", Buffer.alloc(6))).toBe(false);
  expect(other.isEmpty).toBe(true);
  one.shift();
  expect(other.push("stdout", Buffer.alloc(6))).toBe(true);
  other.close();
  expect(budget.bytes).toBe(0);
  one.close();
});

test("nothing has a name on the disk", () => {
  const at = path();
  const spool = createLogSpool(() => at, { bytesMax: 10, bytes: 0 });
  expect(spool.push("stdout", Buffer.from("x"))).toBe(true);
  expect(existsSync(at)).toBe(false);
  expect(spool.shift()?.bytes.toString()).toBe("x");
  spool.close();
});

test("a disk that refuses is a spool that is full", () => {
  const spool = createLogSpool(() => join(folder, "no", "such", "folder"), {
    bytesMax: 10,
    bytes: 0,
  });
  expect(spool.push("stdout", Buffer.from("x"))).toBe(false);
  spool.close();
});
