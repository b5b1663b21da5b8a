/** The lines of a log that are seen, with their colours. What a program printed becomes text and nothing else. */
import type { RefObject } from "preact";
import { memo } from "preact/compat";
import { clockTime, count } from "../view/format.js";
import { parseAnsi } from "./ansi.js";
import type { Color, Span, Style } from "./ansi.js";
import type { LogLine } from "./log-buffer.js";
import type { LogRows } from "./log-rows.js";
import { rowPixels } from "./use-log-scroll.js";

/** Rows above and below what is seen. */
const overscanRows = 20;

export function LogLines(props: {
  scroller: RefObject<HTMLDivElement>;
  lines: readonly LogLine[];
  rows: LogRows;
  seen: { top: number; height: number };
  wrap: boolean;
  times: boolean;
  search: string;
  /** Position of the line with the hit; -1: none. */
  chosen: number;
}) {
  const { scroller, lines, rows, seen, wrap, times, search, chosen } = props;
  const first = rows.positionAt(Math.max(0, Math.floor(seen.top / rowPixels) - overscanRows));
  const last = rows.positionAt(Math.ceil((seen.top + seen.height) / rowPixels) + overscanRows);
  const positions =
    rows.shown.length === 0 ? [] : Array.from({ length: last - first + 1 }, (_, at) => first + at);
  return (
    <div
      ref={scroller}
      class={wrap ? "lines wrap" : "lines"}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label="Lines"
    >
      <div class="extent" style={{ height: `${rows.count * rowPixels}px` }}>
        {positions.map((position) => {
          const line = lines[rows.shown[position]!];
          if (!line) return null;
          const box = {
            top: `${rows.rowOf(position) * rowPixels}px`,
            height: `${rows.heightOf(position) * rowPixels}px`,
          };
          return (
            <div
              key={line.number}
              class={`line ${streamClass(line.stream)}${position === chosen ? " chosen" : ""}`}
              style={box}
            >
              <span class="margin" title={`${line.stream}, attempt ${line.attempt}, ${line.ts}`}>
                {times ? clockTime(line.ts) : line.number}
              </span>
              <Text text={line.text} start={line.start} search={search} />
              {line.cut > 0 ? (
                <em class="cut"> … {count(line.cut)} more characters: see the download</em>
              ) : null}
            </div>
          );
        })}
      </div>
    </div>
  );
}

const streamClass = (stream: string): string =>
  ["stdout", "stderr", "system"].includes(stream) ? stream : "stdout";

/** Lines do not change once they are whole, so most are drawn once. */
const Text = memo(function Text({
  text,
  start,
  search,
}: {
  text: string;
  start: Style;
  search: string;
}) {
  return (
    <span class="text">
      {parseAnsi(text, start).spans.map((span, at) => (
        <Piece key={at} span={span} search={search} />
      ))}
    </span>
  );
});

function Piece({ span: { text, style }, search }: { span: Span; search: string }) {
  const marked = search === "" ? text : marks(text, search);
  const [fg, bg]: [Shade, Shade] = style.inverse
    ? [style.bg ?? "back", style.fg ?? "front"]
    : [style.fg, style.bg];
  const classes = [
    ...(["bold", "dim", "italic", "underline", "strike"] as const).filter((flag) => style[flag]),
    ...classOf("fg", fg),
    ...classOf("bg", bg),
  ];
  const free = { ...freeColor("color", fg), ...freeColor("backgroundColor", bg) };
  if (classes.length === 0 && Object.keys(free).length === 0) return <>{marked}</>;
  return (
    <span class={classes.join(" ")} style={free}>
      {marked}
    </span>
  );
}

type Shade = Color | "front" | "back" | undefined;
const isFree = (color: Shade): color is `#${string}` =>
  typeof color === "string" && color.startsWith("#");
const classOf = (kind: "fg" | "bg", color: Shade): string[] =>
  color === undefined || isFree(color) ? [] : [`${kind}-${color}`];
const freeColor = (property: string, color: Shade): Record<string, string> =>
  isFree(color) ? { [property]: color } : {};

/** A text with what was searched marked in it. */
function marks(text: string, search: string) {
  const [lower, wanted] = [text.toLowerCase(), search.toLowerCase()];
  const parts = [];
  let from = 0;
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>);
    from = at + wanted.length;
  }
  parts.push(text.slice(from));
  return parts;
}
