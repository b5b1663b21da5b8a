/**
 * Writing to the terminal: text and tables for people, JSON for programs, never both. Colour only on a
 * terminal and without NO_COLOR. Knows no command.
 */

export interface Output {
  /** True with `--json`: nothing but JSON goes to standard output. */
  readonly json: boolean;
  /** A line for people; nothing with `--json`. */
  line(text?: string): void;
  /** A remark beside the result (standard error); nothing with `--json`. */
  note(text: string): void;
  /** The one JSON document of a command; nothing without `--json`. */
  document(value: unknown): void;
  /** One line of NDJSON of a stream; nothing without `--json`. */
  record(value: unknown): void;
  /** Raw bytes; resolves when the reader of our output keeps up, so a slow pipe holds the source back. */
  bytes(data: Uint8Array): Promise<void>;
  readonly paint: Paint;
}

export interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
}

/** Output on this process's own streams. */
export function createOutput(json: boolean): Output {
  const people = (stream: NodeJS.WriteStream, text: string): void => {
    if (!json) stream.write(`${text}\n`);
  };
  const machine = (text: string): void => {
    if (json) process.stdout.write(`${text}\n`);
  };
  return {
    json,
    line: (text = "") => people(process.stdout, text),
    note: (text) => people(process.stderr, text),
    document: (value) => machine(JSON.stringify(value, undefined, process.stdout.isTTY ? 2 : 0)),
    record: (value) => machine(JSON.stringify(value)),
    bytes: (data) =>
      new Promise((resolve) => {
        if (process.stdout.write(data)) resolve();
        else process.stdout.once("drain", resolve);
      }),
    paint: createPaint(hasColour()),
  };
}

/** https://no-color.org: any value that is not empty switches colour off. */
const hasColour = (): boolean =>
  process.stdout.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";

function createPaint(colour: boolean): Paint {
  const with_ =
    (code: number) =>
    (text: string): string =>
      colour ? `\u001B[${code}m${text}\u001B[0m` : text;
  return { bold: with_(1), dim: with_(2), good: with_(32), warn: with_(33), bad: with_(31) };
}

/** Green, yellow or red by what a status means. */
export function paintStatus(paint: Paint, status: string): string {
  if (["succeeded", "ok", "idle", "active", "queued", "done"].includes(status))
    return paint.good(status);
  if (["failed", "fail", "error", "timed_out", "rejected"].includes(status))
    return paint.bad(status);
  return paint.warn(status);
}

/**
 * Columns under their headings, two spaces between them. Values are cleaned of control characters: a
 * name must not move the cursor.
 */
export function formatTable(headings: readonly string[], rows: readonly string[][]): string {
  const cells = [headings, ...rows].map((row) => row.map(clean));
  const widths = headings.map((_, column) =>
    Math.max(...cells.map((row) => visibleLength(row[column] ?? ""))),
  );
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          column === row.length - 1
            ? cell
            : cell + " ".repeat((widths[column] ?? 0) - visibleLength(cell)),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

// oxlint-disable-next-line no-control-regex -- it is control characters that are looked for
const colourCodes = /\u001B\[\d+m/g;
// oxlint-disable-next-line no-control-regex -- colour codes (ESC [ n m) stay, everything else below space goes
const controls = /(?!\u001B\[\d+m)[\u0000-\u001F\u007F]/g;
const clean = (text: string): string => text.replaceAll(controls, " ");
const visibleLength = (text: string): number => text.replaceAll(colourCodes, "").length;

/** Text of a value of a row, a dash when there is none. */
export function orDash(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-";
  if (typeof value === "string") return value;
  return typeof value === "object" ? JSON.stringify(value) : String(value as number);
}

/** "3 s ago" and the like, from an ISO time. */
export function ago(iso: unknown, nowMs: number): string {
  const at = typeof iso === "string" ? Date.parse(iso) : Number.NaN;
  return Number.isNaN(at) ? "-" : `${duration(Math.max(0, nowMs - at))} ago`;
}

/** A duration in the largest unit that leaves two digits: 940 ms, 12.3 s, 4 min, 5 h, 3 d. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 5_400_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

/** Bytes as people read them. */
export function byteSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]!}`;
}
