/**
 * Pages of a run's log, by byte offset into its text. Remembers, per run, points from which the text
 * can be rendered again: a page costs what it shows, not what comes before it. Remembers no text.
 */
import type { LogSource } from "@reveille/shared/nats/log-stream";
import { readStoredLog } from "@reveille/shared/nats/log-stream";
import { createLogOrder } from "@reveille/shared/protocol/log-order";
import type { LogChunk, LogPosition } from "@reveille/shared/protocol/log-order";
import { characterStart, emptyText, renderChunk, renderTails } from "./log-text.js";
import type { TextState } from "./log-text.js";

interface LogPageQuery {
  companyId: string;
  runId: string;
  /** Bytes of text before the page. */
  offset: number;
  /** Bytes of text wanted; a page is at most 3 bytes longer, never ends inside a character, and after a whole line where it can. */
  limitBytes: number;
  /** The run is over: what is missing now stays missing. */
  over: boolean;
}
interface LogPage {
  content: string;
  /** Where the next page starts; absent at the end of what is stored. */
  nextOffset?: number;
}
export interface LogReader {
  /** @throws RuntimeError `BrokerUnavailable`. */
  page(query: LogPageQuery): Promise<LogPage>;
}

/** A point between two lines from which everything after it can be rendered. */
interface Checkpoint {
  textOffset: number;
  storedSeq: number;
  order: LogPosition;
  state: TextState;
}

interface RunPoints {
  /** By offset. */
  spaced: Checkpoint[];
  /** Where the last pages ended, the newest last. */
  recent: Checkpoint[];
}

/** Runs whose points are remembered. */
const runsMax = 256;
/** A point every 128 KiB of text, thinned out to 1,024 a run: about 300 KiB for a log of 128 MiB. */
const spacingBytes = 128 * 1024;
const spacedMax = 1_024;
/** Readers of one run that go on where they were without reading anything twice. */
const recentMax = 8;
/** Messages ahead: what the page may need, if chunks are 32 KiB; what comes too much is thrown away. */
const prefetchFor = (limitBytes: number): number =>
  Math.min(64, 2 + Math.ceil(limitBytes / 32_768));

/** Pages of at least so many bytes end after a whole line; smaller ones, as the reference cuts them, wherever they are full. */
const linesFromBytes = 4_096;

const beginning: Checkpoint = {
  textOffset: 0,
  storedSeq: 1,
  order: { attempt: 0, next: 0 },
  state: emptyText,
};

export function createLogReader(source: Pick<LogSource, "bus" | "subjects">): LogReader {
  const runs = new Map<string, RunPoints>();

  /** The points of a run, which becomes the most recently used one. */
  const pointsOf = (runId: string): RunPoints => {
    const points = runs.get(runId) ?? { spaced: [], recent: [] };
    runs.delete(runId);
    runs.set(runId, points);
    if (runs.size > runsMax) runs.delete(runs.keys().next().value!);
    return points;
  };

  return {
    page: async ({ companyId, runId, offset, limitBytes, over }) => {
      const points = pointsOf(runId);
      const from = nearest(points, offset);
      const cut = createCut(from, offset, limitBytes);
      const order = createLogOrder(from.order);
      const addAll = (chunks: readonly LogChunk[]): boolean => chunks.some((each) => cut.add(each));
      const stored = readStoredLog(
        { ...source, companyId, runId },
        { fromSequence: from.storedSeq, prefetchMax: prefetchFor(limitBytes) },
      );
      let safe = from;
      for await (const chunk of stored) {
        if (addAll(order.accept(chunk))) {
          keepRecent(points, safe);
          return cut.page();
        }
        // Never behind a hole: what is held back would have to be kept with the point.
        if (order.holding) continue;
        safe = { storedSeq: chunk.storedSeq! + 1, order: order.position, ...cut.point };
        keepSpaced(points, safe);
      }
      keepRecent(points, safe);
      if (over && !addAll(order.flush())) cut.addText(renderTails(cut.point.state));
      return cut.page();
    },
  };
}

/** The last point at or before an offset. */
function nearest(points: RunPoints, offset: number): Checkpoint {
  let found = beginning;
  for (const point of [...points.spaced, ...points.recent])
    if (point.textOffset <= offset && point.textOffset >= found.textOffset) found = point;
  return found;
}

/** Collects the text from `offset` on until there is a page and at least one byte more. */
function createCut(from: Checkpoint, offset: number, limitBytes: number) {
  let { textOffset, state } = from;
  const parts: Buffer[] = [];
  let collected = 0;
  const addText = (text: string): boolean => {
    if (text === "") return false;
    const bytes = Buffer.from(text);
    const skip = Math.max(0, offset - textOffset);
    textOffset += bytes.length;
    if (skip >= bytes.length) return false;
    const part = bytes.subarray(skip);
    parts.push(part);
    collected += part.length;
    // 4 bytes more than wanted: enough to end the page after a whole character.
    return collected > limitBytes + 4;
  };
  return {
    add: (chunk: LogChunk): boolean => {
      const rendered = renderChunk(state, chunk);
      state = rendered.state;
      return addText(rendered.text);
    },
    addText,
    get point() {
      return { textOffset, state };
    },
    page: (): LogPage => {
      const bytes = Buffer.concat(parts);
      // An offset of the caller's own making may lie inside a character: the page starts after it.
      const start = characterStart(bytes, 0);
      const end = characterStart(bytes, Math.max(start, Math.min(limitBytes, bytes.length)));
      const whole = end < bytes.length && limitBytes >= linesFromBytes ? lineEnd(bytes, end) : end;
      const last = whole > start ? whole : end;
      const stop = last === start && start < bytes.length ? characterStart(bytes, start + 1) : last;
      const content = bytes.toString("utf8", start, stop);
      return stop < bytes.length ? { content, nextOffset: offset + stop } : { content };
    },
  };
}

/** Behind the last line that ends at or before `at`; 0: none does. */
const lineEnd = (bytes: Buffer, at: number): number => bytes.lastIndexOf(0x0a, at - 1) + 1;

/** Keeps a point when it is far enough from the last one; thins out when there are too many. */
function keepSpaced(points: RunPoints, point: Checkpoint): void {
  const last = points.spaced.at(-1) ?? beginning;
  if (point.textOffset < last.textOffset + spacingBytes) return;
  points.spaced.push(point);
  if (points.spaced.length > spacedMax)
    points.spaced = points.spaced.filter((_, at) => at % 2 === 1);
}

/** Keeps where a page ended: the next one starts there. */
function keepRecent(points: RunPoints, point: Checkpoint): void {
  points.recent = [
    ...points.recent.filter(({ textOffset }) => textOffset !== point.textOffset),
    point,
  ].slice(-recentMax);
}
