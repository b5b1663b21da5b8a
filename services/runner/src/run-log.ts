/**
 * One attempt's log: bytes in, bytes out, in order, with a number on each chunk, a hash over all, and
 * bounded memory: what is not acknowledged holds the source back. A log that cannot be stored is cut
 * with its reason, and the run goes on.
 *
 * Small writes are gathered like Nagle's algorithm does: the first goes out at once, what comes while
 * it is unanswered goes out together, after 10 ms at the latest.
 */
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import type { StoredPublisher } from "@reveille/shared/nats/stored-publisher";
import type { LogSeal } from "@reveille/shared/protocol/execution";
import { headers } from "@reveille/shared/protocol/headers";
import type { LogStreamName, Subjects } from "@reveille/shared/protocol/subjects";
import { createByteTail } from "./core/byte-tail.js";
import type { ByteTail } from "./core/byte-tail.js";
import type { LiveLog } from "./live-log.js";

export type OutputStream = "stdout" | "stderr";
export interface RunLog {
  write(stream: OutputStream, chunk: Buffer): void;
  /** Called with true when the source has to wait, with false when it may go on. */
  onPressure(listener: (pressed: boolean) => void): void;
  /** The end of a stream as text, at most `bytesMax` bytes (and 64 KiB). */
  tail(stream: OutputStream, bytesMax: number): string;
  /** Says that bytes are missing from here on, without ending the log. */
  cut(reason: string): void;
  /** Waits for all chunks, stores the closing message, answers what it says. Once. */
  seal(): Promise<LogSeal>;
}

/** Memory of all logs of a runner that wait for acknowledgements. */
export interface LogBudget {
  readonly publisher: StoredPublisher;
  inFlight: number;
  readonly pressed: Set<() => void>;
}
export const createLogBudget = (publisher: StoredPublisher): LogBudget => ({
  publisher,
  inFlight: 0,
  pressed: new Set(),
});

/** One message: the pipe's own block, and far below the server's 1 MiB. */
const chunkBytesMax = 64 * 1024;
const gatherMs = 10;
/** In flight for one run: 64 chunks fill the pipe to the server; for all runs: 8 such floods. */
const runBytesMax = 4 * 1024 * 1024;
const allBytesMax = 32 * 1024 * 1024;
/** Messages in flight for one run: bounds floods of tiny writes on changing streams. */
const runChunksMax = 256;
const tailBytes = 64 * 1024;
const sha256OfNothing = createHash("sha256").digest("hex");

export interface RunLogOptions {
  companyId: string;
  runId: string;
  attempt: number;
  subjects: Subjects;
  budget: LogBudget;
  live: LiveLog;
}

export function createRunLog(options: RunLogOptions): RunLog {
  const { companyId, runId, attempt, subjects, budget } = options;
  const tails: Partial<Record<OutputStream, ByteTail>> = {};
  const offsets: Record<LogStreamName, number> = { stdout: 0, stderr: 0, system: 0 };
  let hash: Hash | null = null;
  let bytes = 0;
  let sequence = 0;
  let ownBytes = 0;
  let ownChunks = 0;
  let cutReason: string | null = null;
  let gathered: { stream: OutputStream; parts: Buffer[]; bytes: number } | null = null;
  let timer: NodeJS.Timeout | null = null;
  let pressed = false;
  let listener: (pressed: boolean) => void = () => undefined;
  let idle: (() => void) | null = null;

  const publish = (stream: LogStreamName, payload: Uint8Array, end?: string): Promise<unknown> => {
    const number = sequence++;
    const offset = offsets[stream];
    offsets[stream] += payload.length;
    return budget.publisher.publish(subjects.log(companyId, runId, stream), payload, {
      headers: {
        "Nats-Msg-Id": `${companyId}:${runId}:${attempt}:${number}`,
        [headers.logSequence]: String(number),
        [headers.logOffset]: String(offset),
        [headers.logTime]: new Date().toISOString(),
        [headers.logAttempt]: String(attempt),
        ...(end === undefined ? {} : { [headers.logEnd]: end }),
      },
    });
  };
  const press = (): void => {
    if (pressed) return;
    pressed = true;
    budget.pressed.add(relax);
    listener(true);
  };
  const relax = (): void => {
    if (ownBytes > runBytesMax / 2 || ownChunks > runChunksMax / 2) return;
    budget.pressed.delete(relax);
    pressed = false;
    listener(false);
  };
  const settle = (size: number): void => {
    ownBytes -= size;
    ownChunks -= 1;
    budget.inFlight -= size;
    if (ownChunks === 0) {
      flush();
      if (ownChunks === 0) idle?.();
    }
    if (budget.inFlight <= allBytesMax / 2) for (const one of budget.pressed) one();
  };
  const flush = (): void => {
    if (timer) clearTimeout(timer);
    timer = null;
    if (!gathered) return;
    const { stream, parts, bytes: size } = gathered;
    gathered = null;
    if (cutReason !== null) return;
    const payload = parts.length === 1 ? parts[0]! : Buffer.concat(parts, size);
    const from = bytes - size;
    ownBytes += size;
    ownChunks += 1;
    budget.inFlight += size;
    publish(stream, payload).then(
      () => settle(size),
      (error: Error) => {
        cutReason ??= `not stored from byte ${from} on: ${error.message}`.slice(0, 500);
        settle(size);
      },
    );
    if (ownBytes > runBytesMax || ownChunks > runChunksMax || budget.inFlight > allBytesMax)
      press();
  };
  const gather = (stream: OutputStream, chunk: Buffer): void => {
    if (gathered && (gathered.stream !== stream || gathered.bytes + chunk.length > chunkBytesMax))
      flush();
    (hash ??= createHash("sha256")).update(chunk);
    bytes += chunk.length;
    gathered ??= { stream, parts: [], bytes: 0 };
    gathered.parts.push(chunk);
    gathered.bytes += chunk.length;
    if (ownChunks === 0 || gathered.bytes >= chunkBytesMax) flush();
    else timer ??= setTimeout(flush, gatherMs);
  };
  return {
    write: (stream, chunk) => {
      (tails[stream] ??= createByteTail(tailBytes)).push(chunk);
      options.live.write(stream, chunk);
      for (let at = 0; at < chunk.length; at += chunkBytesMax)
        gather(
          stream,
          chunk.length <= chunkBytesMax ? chunk : chunk.subarray(at, at + chunkBytesMax),
        );
    },
    onPressure: (heard) => void (listener = heard),
    tail: (stream, bytesMax) => tails[stream]?.text(bytesMax) ?? "",
    cut: (reason) => void (cutReason ??= reason.slice(0, 500)),
    seal: async () => {
      flush();
      if (ownChunks > 0) await new Promise<void>((resolve) => (idle = resolve));
      budget.pressed.delete(relax);
      options.live.end();
      const sha256 = hash?.digest("hex") ?? sha256OfNothing;
      const cut = cutReason === null ? "" : `; cut=${cutReason.replace(/[^\x20-\x7e]/g, "?")}`;
      try {
        await publish(
          "system",
          new Uint8Array(0),
          `chunks=${sequence}; bytes=${bytes}; sha256=${sha256}${cut}`,
        );
      } catch (error) {
        cutReason ??= `the closing message was not stored: ${(error as Error).message}`.slice(
          0,
          500,
        );
      }
      return { bytes, sha256, ...(cutReason === null ? {} : { cut: cutReason }) };
    },
  };
}
