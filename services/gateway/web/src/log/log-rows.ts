/**
 * Where each line of a log stands on a screen: how many rows it takes and how many stand before it, so that only what is seen has to be
 * drawn, however long the log is. Pure.
 */
import { plainText } from "./ansi.js";
import type { LogLine } from "./log-buffer.js";

export interface RowsOptions {
  /** Characters of a row; null: lines are not wrapped. */
  columns: number | null;
  /** Streams that are not shown. */
  hidden: ReadonlySet<string>;
}
/** Columns to the next stop of a tab, as browsers have it. */
const tabColumns = 8;

export class LogRows {
  /** Indices of the lines that are shown. */
  readonly shown: number[] = [];
  /** Rows before each of them; one more entry than there are lines: all rows. */
  readonly #before: number[] = [0];
  readonly #options: RowsOptions;

  constructor(options: RowsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#before.at(-1)!;
  }

  /** Takes over the lines from an index on; those before it are as they were. */
  update(lines: readonly LogLine[], firstChanged: number): void {
    let keep = this.shown.length;
    while (keep > 0 && this.shown[keep - 1]! >= firstChanged) keep -= 1;
    this.shown.length = keep;
    this.#before.length = keep + 1;
    for (let at = firstChanged; at < lines.length; at += 1) {
      const line = lines[at]!;
      if (this.#options.hidden.has(line.stream)) continue;
      this.shown.push(at);
      this.#before.push(this.count + this.#rowsOf(line));
    }
  }

  /** The first row of a shown line. */
  rowOf = (position: number): number => this.#before[position] ?? this.count;

  heightOf = (position: number): number => this.rowOf(position + 1) - this.rowOf(position);

  /** Which shown line a row belongs to. */
  positionAt(row: number): number {
    let [low, high] = [0, this.shown.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#before[middle + 1]! <= row) low = middle + 1;
      else high = middle;
    }
    return Math.min(low, Math.max(0, this.shown.length - 1));
  }

  #rowsOf({ text, cut }: LogLine): number {
    const { columns } = this.#options;
    const more = cut > 0 ? 1 : 0;
    return columns === null ? 1 : Math.max(1, Math.ceil(cellsOf(plainText(text)) / columns)) + more;
  }
}

/** Cells that a text takes in a font of one width: wide characters take two. */
export function cellsOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let cells = 0;
  for (const char of text) {
    const code = char.codePointAt(0)!;
    cells += char === "\t" ? tabColumns - (cells % tabColumns) : isWide(code) ? 2 : 1;
  }
  return cells;
}

/** Roughly East Asian scripts and pictures. */
const isWide = (code: number): boolean =>
  (code >= 0x1100 && code <= 0x115f) ||
  (code >= 0x2e80 && code <= 0xa4cf) ||
  (code >= 0xac00 && code <= 0xd7a3) ||
  (code >= 0xf900 && code <= 0xfaff) ||
  (code >= 0xfe30 && code <= 0xfe6f) ||
  (code >= 0xff00 && code <= 0xff60) ||
  (code >= 0x1f300 && code <= 0x1faff) ||
  (code >= 0x20000 && code <= 0x3fffd);
