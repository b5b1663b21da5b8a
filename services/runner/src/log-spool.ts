/**
 * Log bytes of one attempt that wait on this machine's disk because NATS is away: first in, first out,
 * bounded for the whole runner. The file has no name any more as soon as it is open, so nothing is left
 * behind by a runner that is killed; what it held is missing from the log then, and the lost attempt says
 * why. Knows nothing of streams and numbers.
 */
import { closeSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } from "node:fs";
import type { LogStreamName } from "@reveille/shared/protocol/subjects";

export interface SpooledChunk {
  stream: LogStreamName;
  bytes: Buffer;
}
export interface LogSpool {
  /** False when it does not fit, or the disk refuses: nothing of it is kept. */
  push(stream: LogStreamName, bytes: Uint8Array): boolean;
  /** The oldest chunk; null when there is none. @throws Error of the disk: everything that is left is lost. */
  shift(): SpooledChunk | null;
  readonly isEmpty: boolean;
  /** Gives the disk back. Idempotent. */
  close(): void;
}

/** The bytes that all spools of a runner hold. */
export interface SpoolBudget {
  readonly bytesMax: number;
  bytes: number;
}

/** @param path where a file may be made: it is opened at the first push, for its owner alone, and unlinked at once. */
export function createLogSpool(path: () => string, budget: SpoolBudget): LogSpool {
  return new FileSpool(path, budget);
}

class FileSpool implements LogSpool {
  readonly #path: () => string;
  readonly #budget: SpoolBudget;
  #file: number | null = null;
  #waiting: { stream: LogStreamName; length: number }[] = [];
  #readAt = 0;
  #writeAt = 0;

  constructor(path: () => string, budget: SpoolBudget) {
    this.#path = path;
    this.#budget = budget;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  push(stream: LogStreamName, bytes: Uint8Array): boolean {
    if (this.#budget.bytes + bytes.length > this.#budget.bytesMax) return false;
    try {
      this.#file ??= openUnnamed(this.#path());
      // At a place of its own: a chunk that was written in part is written over by the next.
      for (let done = 0; done < bytes.length;)
        done += writeSync(this.#file, bytes, done, bytes.length - done, this.#writeAt + done);
    } catch {
      // The disk is full or refuses: the caller says in the log what is missing.
      return false;
    }
    this.#writeAt += bytes.length;
    this.#budget.bytes += bytes.length;
    this.#waiting.push({ stream, length: bytes.length });
    return true;
  }

  shift(): SpooledChunk | null {
    const next = this.#waiting.shift();
    if (!next || this.#file === null) return null;
    const bytes = Buffer.allocUnsafe(next.length);
    for (let done = 0; done < next.length;) {
      const read = readSync(this.#file, bytes, done, next.length - done, this.#readAt + done);
      if (read === 0) throw new Error("the spool is shorter than what was written");
      done += read;
    }
    this.#readAt += next.length;
    this.#budget.bytes -= next.length;
    if (this.isEmpty) this.#rewind(this.#file);
    return { stream: next.stream, bytes };
  }

  close(): void {
    for (const { length } of this.#waiting) this.#budget.bytes -= length;
    this.#waiting = [];
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #rewind(file: number): void {
    ftruncateSync(file, 0);
    this.#readAt = 0;
    this.#writeAt = 0;
  }
}

function openUnnamed(path: string): number {
  const file = openSync(path, "wx+", 0o600);
  unlinkSync(path);
  return file;
}
