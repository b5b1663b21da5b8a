/**
 * The lines of one run's log, put together from the frames of its socket: each frame once, streams apart, bounded. Pure. Knows no
 * screen. What is dropped is counted, and stays in the log itself.
 */
import { noStyle, styleAfter } from "./ansi.js";
import type { Style } from "./ansi.js";

export interface LogFrame {
  event: "log";
  /** `attempt.chunk.line`. */
  id: string;
  data: { attempt: number; ts: string; stream: string; chunk: string };
}
export interface LogLine {
  /** From 1, over all attempts and streams. */
  number: number;
  attempt: number;
  stream: string;
  ts: string;
  text: string;
  /** Characters of it that are not kept. */
  cut: number;
  /** The style in which it starts: the one in which the line before it of its stream ended. */
  start: Style;
}

export interface LogBounds {
  /** Lines and characters that are kept; the oldest go first. */
  lines: number;
  chars: number;
  /** Characters of one line. */
  lineChars: number;
}
/** About 100 MB of a tab at most, and a line that nobody reads to its end. */
const defaultBounds: LogBounds = { lines: 300_000, chars: 40_000_000, lineChars: 20_000 };
/** Dropping a line at a time would move all others each time. */
const dropShare = 0.1;

export class LogBuffer {
  lines: LogLine[] = [];
  /** Lines that were there and are not kept any more. */
  dropped = 0;
  /** Place of the last frame, for whoever comes back; null: there was none. */
  lastId: string | null = null;
  readonly #bounds: LogBounds;
  #chars = 0;
  #next = 1;
  /** By stream: the line that has not ended, and the style behind the last one. */
  readonly #open = new Map<string, LogLine>();
  readonly #styles = new Map<string, Style>();
  #attempt = 0;
  #firstChanged = 0;

  constructor(bounds: Partial<LogBounds> = {}) {
    this.#bounds = { ...defaultBounds, ...bounds };
  }

  /** Takes a frame in; false when it was there already. */
  append({ id, data }: LogFrame): boolean {
    if (this.lastId !== null && !isBehind(id, this.lastId)) return false;
    this.lastId = id;
    if (data.attempt !== this.#attempt) {
      // Another process: nothing of the one before goes on in it.
      this.#open.clear();
      this.#styles.clear();
      this.#attempt = data.attempt;
    }
    const pieces = data.chunk.split("\n");
    pieces.forEach((piece, at) => {
      const ends = at < pieces.length - 1;
      if (piece !== "" || ends || this.#open.has(data.stream)) this.#add(data, piece);
      if (ends) this.#close(data.stream);
    });
    this.#drop();
    return true;
  }

  /** The index of the first line that changed since it was last asked; as many as there are lines: none did. */
  takeFirstChanged(): number {
    const first = this.#firstChanged;
    this.#firstChanged = this.lines.length;
    return first;
  }

  #add(data: LogFrame["data"], piece: string): void {
    let line = this.#open.get(data.stream);
    if (!line) {
      const { attempt, stream, ts } = data;
      const start = this.#styles.get(stream) ?? noStyle;
      line = { number: this.#next, attempt, stream, ts, text: "", cut: 0, start };
      this.#next += 1;
      this.#firstChanged = Math.min(this.#firstChanged, this.lines.length);
      this.lines.push(line);
      this.#open.set(stream, line);
    } else this.#firstChanged = Math.min(this.#firstChanged, Math.max(0, this.#indexOf(line)));
    const room = Math.max(0, this.#bounds.lineChars - line.text.length);
    const kept = piece.slice(0, room);
    line.text = returned(line.text + kept);
    line.cut += piece.length - kept.length;
    this.#chars += kept.length;
  }

  #close(stream: string): void {
    const line = this.#open.get(stream);
    if (!line) return;
    if (line.text.endsWith("\r")) line.text = line.text.slice(0, -1);
    this.#styles.set(stream, styleAfter(line.text, line.start));
    this.#open.delete(stream);
  }

  #indexOf = (line: LogLine): number => line.number - (this.lines[0]?.number ?? 1);

  #drop(): void {
    const { lines, chars } = this.#bounds;
    if (this.lines.length <= lines && this.#chars <= chars) return;
    let count = Math.ceil(this.lines.length * dropShare);
    while (count < this.lines.length - 1 && this.#chars - charsOf(this.lines, count) > chars)
      count += 1;
    count = Math.min(count, this.lines.length - 1);
    this.#chars -= charsOf(this.lines, count);
    this.lines = this.lines.slice(count);
    this.dropped += count;
    this.#firstChanged = 0;
  }
}

const charsOf = (lines: readonly LogLine[], count: number): number => {
  let sum = 0;
  for (let at = 0; at < count; at += 1) sum += lines[at]!.text.length;
  return sum;
};

/** What a terminal shows of a line that was written over: what follows the last return, unless that is its end. */
function returned(text: string): string {
  const at = text.lastIndexOf("\r", text.length - 2);
  return at < 0 ? text : text.slice(at + 1);
}

/** Is a place behind another? Places are three numbers. */
export function isBehind(id: string, other: string): boolean {
  const [left, right] = [id, other].map((each) => each.split(".").map(Number));
  for (let at = 0; at < 3; at += 1) {
    const difference = (left?.[at] ?? 0) - (right?.[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}
