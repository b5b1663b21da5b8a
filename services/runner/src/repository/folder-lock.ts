/**
 * A lock between processes of one machine that ends with its holder, however that ends. A folder holds
 * numbered files; the highest one is the lock, and says who holds it. Nobody takes a lock away: who finds
 * its holder dead, or the lock released, makes the file with the next number, which only one can.
 * Files are removed by a holder alone, and only below its own number, so the highest never goes back;
 * who was overtaken between looking and making sees a higher one afterwards, and gives way.
 */
import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import { hostname } from "node:os";
import { pause } from "@reveille/shared/runtime/clock";
import type { Clock } from "@reveille/shared/runtime/clock";
import { startOf } from "../process-identity.js";

export interface FolderLock {
  /** Repeatable. */
  release(): void;
}

/** Between looks at a lock that is held. */
const lookEveryMs = 100;
/** A holder says this often that it lives, for those who cannot see its process (another container). */
const signEveryMs = 10_000;
/**
 * Without such a sign for so long, a holder that cannot be seen is dead: four times the deadline after which
 * a runner's guard has killed its runs (30 s).
 */
const unseenMs = 120_000;

/** Takes the lock, or null: somebody living holds it. @param folder made when missing. */
export function tryFolderLock(folder: string, clock: Clock): FolderLock | null {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  const top = highest(folder);
  if (top !== 0 && isHeld(`${folder}/${top}`, clock)) return null;
  const number = top + 1;
  const path = `${folder}/${number}`;
  if (!makeWhole(folder, path)) return null;
  if (highest(folder) !== number) {
    fs.rmSync(path, { force: true });
    return null;
  }
  for (const other of numbersIn(folder))
    if (other < number) fs.rmSync(`${folder}/${other}`, { force: true });
  const signs = clock.every(signEveryMs, () => touch(path, clock), { background: true });
  let held = true;
  return {
    release: () => {
      if (!held) return;
      held = false;
      signs.cancel();
      // The number stays: the next one is above it.
      replace(folder, path, "released");
    },
  };
}

/** Waits for the lock, at most `limitMs`; null: it was held all the time, or nobody waits any more. */
export async function takeFolderLock(
  folder: string,
  clock: Clock,
  limitMs: number,
  signal: AbortSignal,
): Promise<FolderLock | null> {
  const giveUpAt = clock.monotonicMs() + limitMs;
  for (;;) {
    if (signal.aborted) return null;
    const lock = tryFolderLock(folder, clock);
    if (lock) return lock;
    if (clock.monotonicMs() >= giveUpAt) return null;
    await pause(clock, lookEveryMs);
  }
}

interface Holder {
  pid: number;
  start: string;
  space: string;
}
/** Processes of one space see each other by pid. */
const space = (): string => {
  try {
    const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot} ${fs.readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return hostname(); // no Linux: the machine is what we can tell apart
  }
};

function isHeld(path: string, clock: Clock): boolean {
  const holder = readHolder(path);
  if (holder === null) return false;
  if (holder.space === space()) return startOf(holder.pid) === holder.start;
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  return stat !== undefined && clock.wallMs() - stat.mtimeMs < unseenMs;
}

/** Null: released, or gone. */
function readHolder(path: string): Holder | null {
  let text: string;
  try {
    text = fs.readFileSync(path, "utf8");
  } catch {
    return null; // removed by the holder of a higher one
  }
  return text === "released" ? null : (JSON.parse(text) as Holder);
}

/** Makes the file with its content at once, so that nobody sees half of it. False: it is there already. */
function makeWhole(folder: string, path: string): boolean {
  const holder: Holder = { pid: process.pid, start: startOf(process.pid) ?? "0", space: space() };
  const draft = `${folder}/draft.${randomUUID()}`;
  fs.writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 });
  try {
    fs.linkSync(draft, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    fs.rmSync(draft, { force: true });
  }
}

function replace(folder: string, path: string, text: string): void {
  const draft = `${folder}/draft.${randomUUID()}`;
  fs.writeFileSync(draft, text, { mode: 0o600 });
  fs.renameSync(draft, path);
}

function touch(path: string, clock: Clock): void {
  const now = clock.wallMs() / 1_000;
  try {
    fs.utimesSync(path, now, now);
  } catch {
    // Gone: somebody took us for dead. There is nobody to tell; the guard has killed what we ran.
  }
}

const numbersIn = (folder: string): number[] =>
  fs
    .readdirSync(folder)
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
const highest = (folder: string): number => Math.max(0, ...numbersIn(folder));
