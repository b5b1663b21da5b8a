/**
 * A run's log with its secrets hidden before anything is published, kept in an excerpt or shown live.
 * Only runs that have secrets write through one; for the others it costs nothing.
 */
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import type { OutputStream } from "../adapter.js";
import type { RunLog } from "../run-log.js";
import type { Mask, MaskStream } from "./mask.js";

/** A prompt that ends like a secret begins is shown after this: people who follow do not notice. */
const releaseAfterMs = 100;

/** What an adapter writes to; `end` shows what was held back, before the log is sealed. */
export interface MaskedLog extends RunLog {
  end(): void;
}

export function maskedLog(log: RunLog, mask: Mask, clock: Clock): MaskedLog {
  const streams = new Map<OutputStream, MaskStream>();
  let timer: Timer | null = null;
  const release = (stream: OutputStream, masked: MaskStream, end: boolean): void => {
    const shown = masked.release(end);
    if (shown.length > 0) log.write(stream, shown);
  };
  const releaseAll = (end: boolean): void => {
    timer?.cancel();
    timer = null;
    for (const [stream, masked] of streams) release(stream, masked, end);
  };
  return {
    write: (stream, chunk) => {
      let masked = streams.get(stream);
      if (!masked) streams.set(stream, (masked = mask.stream()));
      const shown = masked.push(chunk);
      if (shown.length > 0) log.write(stream, shown);
      if (masked.holds) timer ??= clock.after(releaseAfterMs, () => releaseAll(false));
    },
    onPressure: (listener) => log.onPressure(listener),
    cut: (reason) => log.cut(reason),
    tail: (stream, bytesMax) => {
      // Whoever asks has seen the end, or is content with what there is.
      const masked = streams.get(stream);
      if (masked) release(stream, masked, true);
      return log.tail(stream, bytesMax);
    },
    end: () => releaseAll(true),
    seal: () => {
      releaseAll(true);
      return log.seal();
    },
  };
}
