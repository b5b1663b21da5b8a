/**
 * A run's log as it is written, in frames that a client can go on from: each has an id, and whoever
 * comes back with the last one gets what follows it, each chunk once, until the run is over. Knows the
 * frames, not how they travel.
 */
import { followLog } from "@reveille/shared/nats/log-stream";
import type { LogSource } from "@reveille/shared/nats/log-stream";
import type { Pool } from "@reveille/shared/postgres/pool";
import { z } from "zod";
import type { LiveEvents } from "./live-events.js";
import { emptyText, renderChunk, renderTails } from "./log-text.js";
import { untilRunEnds } from "./run-end.js";

/** `id` is `attempt.chunk.line`; the end has that of the last line. */
export type LogFrame =
  | { event: "log"; id: string; data: LogLine & { attempt: number } }
  | { event: "end"; id: string; data: Record<string, unknown> };
interface LogLine {
  ts: string;
  stream: string;
  chunk: string;
}

export interface LogFollower {
  /**
   * Frames behind `after` (the beginning when it is null). Ends with `end` when the run is over and all of
   * its log was told, or without it when the signal comes or NATS is closed.
   * @throws RuntimeError `BrokerUnavailable`.
   */
  follow(
    run: { companyId: string; id: string },
    after: LogPlace | null,
    signal: AbortSignal,
  ): AsyncGenerator<LogFrame>;
}

/** Where a frame stands: the attempt, the chunk in it, the line in that. */
type LogPlace = readonly [attempt: number, chunk: number, line: number];

/** The id of a frame, as a client gives it back. */
export const logPlaceSchema = z
  .string()
  .regex(/^\d{1,9}\.\d{1,12}\.\d{1,9}$/, "must be the id of a frame, such as 1.42.0")
  .transform((id) => id.split(".").map(Number) as unknown as LogPlace);

export interface LogFollowerOptions extends Pick<LogSource, "bus" | "subjects"> {
  pool: Pool;
  live: LiveEvents;
}

export function createLogFollower(options: LogFollowerOptions): LogFollower {
  return {
    follow: async function* (run, after, signal) {
      const inner = new AbortController();
      const abort = (): void => inner.abort();
      signal.addEventListener("abort", abort);
      if (signal.aborted) abort();
      const ending = untilRunEnds(options, run, inner.signal);
      const source = { ...options, companyId: run.companyId, runId: run.id };
      let state = emptyText;
      let last: LogPlace = after ?? [0, 0, 0];
      try {
        for await (const chunk of followLog(source, { over: ending, signal: inner.signal })) {
          const rendered = renderChunk(state, chunk);
          state = rendered.state;
          // What was told before is read all the same: halves of characters that it leaves over belong to what follows.
          for (const [place, data] of linesOf(rendered.text, [chunk.attempt, chunk.seq, 0])) {
            if (after && !isBehind(place, after)) continue;
            last = place;
            yield { event: "log", id: place.join("."), data };
          }
        }
        if (inner.signal.aborted) return;
        const end = await ending;
        const [attempt, chunk, line] = last;
        for (const [place, data] of linesOf(renderTails(state), [attempt, chunk, line + 1]))
          yield { event: "log", id: place.join("."), data };
        if (end) yield { event: "end", id: last.join("."), data: { ...end } };
      } finally {
        abort();
        signal.removeEventListener("abort", abort);
        // Whoever is here has the end, or does not want it any more.
        await ending.catch(() => null);
      }
    },
  };
}

/** The lines of a rendered text with their places, from a first one on. */
const linesOf = (
  text: string,
  [attempt, chunk, first]: LogPlace,
): [LogPlace, LogLine & { attempt: number }][] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line, at) => [
      [attempt, chunk, first + at],
      { attempt, ...(JSON.parse(line) as LogLine) },
    ]);

const isBehind = (place: LogPlace, after: LogPlace): boolean =>
  place[0] !== after[0]
    ? place[0] > after[0]
    : place[1] !== after[1]
      ? place[1] > after[1]
      : place[2] > after[2];
