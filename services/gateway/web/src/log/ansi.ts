/**
 * Text of terminals as spans with colours. Pure. What would move a cursor, set a title or make a link is left out; control characters and
 * marks that turn the direction of text become visible, so that no log can look like something else than it is. Makes no HTML.
 */

/** 0 to 15 follow the theme; larger ones and `#rrggbb` are what they say. */
export type Color = number | `#${string}`;
export interface Style {
  readonly fg?: Color;
  readonly bg?: Color;
  readonly bold?: true;
  readonly dim?: true;
  readonly italic?: true;
  readonly underline?: true;
  readonly strike?: true;
  readonly inverse?: true;
}
export interface Span {
  text: string;
  style: Style;
}

/** Nothing is set. One object: lines without colours share it. */
export const noStyle: Style = Object.freeze({});

/** CSI, then OSC and its relatives with an end, then any other escape of two characters. An escape without its end stays text. */
const sequence =
  // oxlint-disable-next-line no-control-regex -- escapes are what is looked for
  /\u001b(?:\[([0-?]*)[ -/]*([@-~])|[\]PX^_][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)|[ -/]*[0-Z\\^-~])/g;

/** The spans of a text that starts in a style, and the style in which it ends. */
export function parseAnsi(text: string, start: Style): { spans: Span[]; end: Style } {
  if (!text.includes("\u001b"))
    return { spans: text === "" ? [] : [{ text: visible(text), style: start }], end: start };
  const spans: Span[] = [];
  let style = start;
  let from = 0;
  const push = (to: number): void => {
    if (to > from) spans.push({ text: visible(text.slice(from, to)), style });
  };
  for (const found of text.matchAll(sequence)) {
    push(found.index);
    from = found.index + found[0].length;
    if (found[2] === "m") style = applied(style, found[1] ?? "");
  }
  push(text.length);
  return { spans, end: style };
}

/** Only the style in which a text ends. */
export function styleAfter(text: string, start: Style): Style {
  if (!text.includes("\u001b")) return start;
  let style = start;
  for (const found of text.matchAll(sequence))
    if (found[2] === "m") style = applied(style, found[1] ?? "");
  return style;
}

/** Without sequences: what is searched, and what is copied. */
export const plainText = (text: string): string =>
  text.includes("\u001b") ? text.replace(sequence, "") : text;

// oxlint-disable-next-line no-control-regex -- they are what is looked for
const unseen = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Without sequences, and with nothing that cannot be seen: for one line among others. */
export const shownText = (text: string): string => visible(plainText(text));

/** Control characters as their pictures, and marks of direction (which reorder what stands beside them) as a question. */
const visible = (text: string): string =>
  text.replace(unseen, (char) => {
    const code = char.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });

type Flag = "bold" | "dim" | "italic" | "underline" | "strike" | "inverse";
const flags: Readonly<Record<number, Flag>> = {
  1: "bold",
  2: "dim",
  3: "italic",
  4: "underline",
  7: "inverse",
  9: "strike",
  21: "underline",
};
const cleared: Readonly<Record<number, readonly (keyof Style)[]>> = {
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underline"],
  27: ["inverse"],
  29: ["strike"],
  39: ["fg"],
  49: ["bg"],
};

/** A style after one SGR sequence (`ESC [ … m`). */
function applied(before: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/).map((code) => (code === "" ? 0 : Number(code)));
  let style: Style = before;
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at]!;
    const flag = flags[code];
    if (code === 0) style = noStyle;
    else if (flag) style = { ...style, [flag]: true };
    else if (cleared[code]) style = without(style, cleared[code]);
    else if (code === 38 || code === 48) {
      const { color, used } = extended(codes.slice(at + 1));
      at += used;
      if (color !== null) style = { ...style, [code === 38 ? "fg" : "bg"]: color };
    } else style = basic(style, code);
  }
  return style;
}

function basic(style: Style, code: number): Style {
  if (code >= 30 && code <= 37) return { ...style, fg: code - 30 };
  if (code >= 90 && code <= 97) return { ...style, fg: code - 82 };
  if (code >= 40 && code <= 47) return { ...style, bg: code - 40 };
  if (code >= 100 && code <= 107) return { ...style, bg: code - 92 };
  return style;
}

/** What follows 38 or 48: `5;n` or `2;r;g;b`. */
function extended([kind, ...rest]: readonly (number | undefined)[]): {
  color: Color | null;
  used: number;
} {
  const isByte = (value: number | undefined): value is number =>
    value !== undefined && Number.isInteger(value) && value >= 0 && value <= 255;
  if (kind === 5) return { color: isByte(rest[0]) ? palette(rest[0]) : null, used: 2 };
  if (kind !== 2) return { color: null, used: 1 };
  const bytes = rest.slice(0, 3);
  return {
    color: bytes.length === 3 && bytes.every(isByte) ? hex(bytes as number[]) : null,
    used: 4,
  };
}

/** The 256 colours: 16 of the theme, a cube of 6 steps, 24 greys. */
function palette(index: number): Color {
  if (index < 16) return index;
  if (index >= 232) return hex(Array.from({ length: 3 }, () => 8 + (index - 232) * 10));
  const cube = index - 16;
  const step = (value: number): number => (value === 0 ? 0 : 55 + value * 40);
  return hex([step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6)]);
}

const hex = (bytes: readonly number[]): Color =>
  `#${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

function without(style: Style, keys: readonly (keyof Style)[]): Style {
  const rest: Record<string, unknown> = { ...style };
  for (const key of keys) delete rest[key];
  return Object.keys(rest).length === 0 ? noStyle : (rest as Style);
}
