/**
 * One attempt's log: bytes in, bytes out, in order, with a number on each chunk, a hash over all, and
 * bounded memory: what is not acknowledged holds the source back. While NATS is away what does not fit
 * waits on the disk, and the process goes on. A log that cannot be stored is cut with its reason, and the
 * run goes on.
 *
 * Small writes are gathered like Nagle's algorithm does: the first goes out at once, what comes while
 * it is unanswered goes out together, after 10 ms at the latest.
 */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import type { LogSeal } from "@reveille/shared/protocol/execution";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import { headers } from "@reveille/shared/protocol/headers";
import type { LogStreamName, Subjects } from "@reveille/shared/protocol/subjects";
import { createByteTail } from "./core/byte-tail.js";
import type { ByteTail } from "./core/byte-tail.js";
import type { OutputStream } from "./adapter.js";
import type { LiveLog } from "./live-log.js";
import type { LogBudget } from "./log-budget.js";
import type { LogSpool } from "./log-spool.js";
import { createRateLimit } from "./rate-limit.js";
import type { RateLimit } from "./rate-limit.js";

export interface RunLog {
  write(stream: OutputStream, chunk: Buffer): void;
  /** Each listener is called with true when the source has to wait, with false when it may go on. */
  onPressure(listener: (pressed: boolean) => void): void;
  /** The end of a stream as text, at most `bytesMax` bytes (and 64 KiB). */
  tail(stream: OutputStream, bytesMax: number): string;
  /** Says that bytes are missing from here on, without ending the log. */
  cut(reason: string): void;
  /** Waits for all chunks, stores the closing message, answers what it says. Once. */
  seal(): Promise<LogSeal>;
}

/** One message: the pipe's own block, and far below the server's 1 MiB. */
const chunkBytesMax = 64 * 1024;
const gatherMs = 10;
/** In flight for one run: 64 chunks fill the pipe to the server; for all runs: 8 such floods. */
const runBytesMax = 4 * 1024 * 1024;
const allBytesMax = 32 * 1024 * 1024;
/** Messages in flight for one run: bounds floods of tiny writes on changing streams. */
const runChunksMax = 256;
const tailBytes = 64 * 1024;
/** What a seal may hold. */
const cutCharsMax = 500;
const sha256OfNothing = createHash("sha256").digest("hex");

export interface RunLogOptions {
  clock: Clock;
  companyId: string;
  runId: string;
  attempt: number;
  subjects: Subjects;
  budget: LogBudget;
  live: LiveLog;
}

export const createRunLog = (options: RunLogOptions): RunLog => new LogWriter(options);

class LogWriter implements RunLog {
  readonly #options: RunLogOptions;
  readonly #budget: LogBudget;
  readonly #tails: Partial<Record<OutputStream, ByteTail>> = {};
  readonly #offsets: Record<LogStreamName, number> = { stdout: 0, stderr: 0, system: 0 };
  #hash: Hash | null = null;
  #bytes = 0;
  #sequence = 0;
  #ownBytes = 0;
  #ownChunks = 0;
  #cutReason: string | null = null;
  #gathered: { stream: OutputStream; parts: Buffer[]; bytes: number } | null = null;
  #timer: Timer | null = null;
  readonly #spool: LogSpool;
  readonly #rate: RateLimit;
  #pressed = false;
  readonly #listeners: ((pressed: boolean) => void)[] = [];
  #idle: (() => void) | null = null;

  constructor(options: RunLogOptions) {
    this.#options = options;
    this.#budget = options.budget;
    this.#spool = options.budget.openSpool(options.runId, options.attempt);
    this.#rate = createRateLimit(options.clock, options.budget.limits.bytesPerSec, this.#relax);
  }

  write(stream: OutputStream, chunk: Buffer): void {
    (this.#tails[stream] ??= createByteTail(tailBytes)).push(chunk);
    this.#options.live.write(stream, chunk);
    this.#budget.written += chunk.length;
    for (let at = 0; at < chunk.length; at += chunkBytesMax)
      this.#gather(
        stream,
        at === 0 && chunk.length <= chunkBytesMax ? chunk : chunk.subarray(at, at + chunkBytesMax),
      );
    if (this.#rate.spend(chunk.length)) return;
    this.#budget.throttled += 1;
    this.#press();
  }

  onPressure(listener: (pressed: boolean) => void): void {
    this.#listeners.push(listener);
    if (this.#pressed) listener(true);
  }

  tail(stream: OutputStream, bytesMax: number): string {
    return this.#tails[stream]?.text(bytesMax) ?? "";
  }

  cut(reason: string): void {
    this.#cutReason ??= reason.slice(0, cutCharsMax);
  }

  async seal(): Promise<LogSeal> {
    this.#flush();
    if (!this.#isStored()) await new Promise<void>((resolve) => (this.#idle = resolve));
    this.#budget.pressed.delete(this.#relax);
    this.#rate.stop();
    this.#spool.close();
    this.#options.live.end();
    const sha256 = this.#hash?.digest("hex") ?? sha256OfNothing;
    // A header is one line of ASCII.
    const cut =
      this.#cutReason === null ? "" : `; cut=${this.#cutReason.replace(/[^\x20-\x7e]/g, "?")}`;
    const end = `chunks=${this.#sequence}; bytes=${this.#bytes}; sha256=${sha256}${cut}`;
    try {
      await this.#publish("system", new Uint8Array(0), end);
    } catch (error) {
      this.cut(`the closing message was not stored: ${(error as Error).message}`);
    }
    return {
      bytes: this.#bytes,
      sha256,
      ...(this.#cutReason === null ? {} : { cut: this.#cutReason }),
    };
  }

  #gather(stream: OutputStream, chunk: Buffer): void {
    if (this.#bytes + chunk.length > this.#budget.limits.runBytesMax && this.#cutReason === null) {
      this.#flush();
      this.#budget.capped += 1;
      this.cut(
        `a run's log holds at most ${this.#budget.limits.runBytesMax} bytes; not stored from byte ${this.#bytes} on`,
      );
    }
    const open = this.#gathered;
    if (open && (open.stream !== stream || open.bytes + chunk.length > chunkBytesMax))
      this.#flush();
    (this.#hash ??= createHash("sha256")).update(chunk);
    this.#bytes += chunk.length;
    const gathered = (this.#gathered ??= { stream, parts: [], bytes: 0 });
    gathered.parts.push(chunk);
    gathered.bytes += chunk.length;
    if (this.#ownChunks === 0 || gathered.bytes >= chunkBytesMax) this.#flush();
    else this.#timer ??= this.#options.clock.after(gatherMs, () => this.#flush());
  }

  #flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const gathered = this.#gathered;
    this.#gathered = null;
    if (!gathered || this.#cutReason !== null) return;
    const { stream, parts, bytes } = gathered;
    const payload = parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes);
    const away = !this.#budget.connected();
    // Once something waits on the disk everything goes there: the order is the process's.
    if (!this.#spool.isEmpty || (away && this.#isFull())) this.#hold(stream, payload);
    else this.#store(stream, payload);
    const crowded = away ? false : this.#isFull() || !this.#spool.isEmpty;
    if (crowded) this.#press();
  }

  #isFull(): boolean {
    const own = this.#ownBytes > runBytesMax || this.#ownChunks > runChunksMax;
    return own || this.#budget.inFlight > allBytesMax;
  }
  #isStored(): boolean {
    return this.#ownChunks === 0 && this.#spool.isEmpty;
  }

  /** Onto the disk; when it takes no more, the process goes on and the log says what is missing. */
  #hold(stream: LogStreamName, payload: Uint8Array): void {
    if (this.#spool.push(stream, payload)) return;
    const from = this.#bytes - payload.length;
    this.cut(
      `not stored from byte ${from} on: NATS was away and the spool of this runner was full`,
    );
  }

  #store(stream: LogStreamName, payload: Uint8Array): void {
    const bytes = payload.length;
    this.#ownBytes += bytes;
    this.#ownChunks += 1;
    this.#budget.inFlight += bytes;
    const from = this.#offsets[stream];
    this.#publish(stream, payload).then(
      () => this.#settle(bytes),
      (error: Error) => {
        this.cut(`not stored from byte ${from} of ${stream} on: ${error.message}`);
        this.#spool.close();
        this.#settle(bytes);
      },
    );
  }

  #publish(stream: LogStreamName, payload: Uint8Array, end?: string): Promise<unknown> {
    const { clock, companyId, runId, attempt, subjects } = this.#options;
    const sequence = this.#sequence++;
    const offset = this.#offsets[stream];
    this.#offsets[stream] += payload.length;
    return this.#budget.publisher.publish(subjects.log(companyId, runId, stream), payload, {
      headers: {
        "Nats-Msg-Id": `${companyId}:${runId}:${attempt}:${sequence}`,
        [headers.logSequence]: String(sequence),
        [headers.logOffset]: String(offset),
        [headers.logTime]: new Date(clock.wallMs()).toISOString(),
        [headers.logAttempt]: String(attempt),
        ...(end === undefined ? {} : { [headers.logEnd]: end }),
      },
    });
  }

  /** A chunk is stored, or given up. */
  #settle(bytes: number): void {
    this.#ownBytes -= bytes;
    this.#ownChunks -= 1;
    this.#budget.inFlight -= bytes;
    this.#refill();
    if (this.#isStored()) {
      this.#flush();
      if (this.#isStored()) this.#idle?.();
    }
    if (this.#budget.inFlight <= allBytesMax / 2) for (const relax of this.#budget.pressed) relax();
  }

  /** From the disk, as far as there is room. */
  #refill(): void {
    try {
      while (!this.#spool.isEmpty && !this.#isFull()) {
        const chunk = this.#spool.shift();
        if (chunk) this.#store(chunk.stream, chunk.bytes);
      }
    } catch (error) {
      this.cut(`what waited on the disk cannot be read: ${(error as Error).message}`);
      this.#spool.close();
    }
  }

  #press(): void {
    if (this.#pressed) return;
    this.#pressed = true;
    this.#budget.pressed.add(this.#relax);
    for (const listener of this.#listeners) listener(true);
  }

  readonly #relax = (): void => {
    if (this.#rate.spent) return;
    const crowded = this.#ownBytes > runBytesMax / 2 || this.#ownChunks > runChunksMax / 2;
    // While NATS is away nothing is held back: there is the disk.
    if (this.#budget.connected() && (crowded || !this.#spool.isEmpty)) return;
    this.#budget.pressed.delete(this.#relax);
    this.#pressed = false;
    for (const listener of this.#listeners) listener(false);
  };
}
