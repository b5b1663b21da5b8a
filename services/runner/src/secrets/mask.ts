/**
 * Hides known secrets in what leaves a run: in its output, byte by byte and across the borders of
 * chunks, and in texts. Owns which forms of a value count; knows no log and no report. Pure.
 */

/** Shorter values would blacken ordinary text, and are found by trying in no time: no secrets. */
const secretBytesMin = 4;
/** The part of a secret from which on it tells something; less looks like any other text. */
const tellingBytes = 8;
/** Deeper than any message may be (64). */
const depthMax = 64;
const stars = "***";
const starBytes = Buffer.from(stars);
const nothing = Buffer.alloc(0);

export interface Mask {
  text(text: string): string;
  /** The same value with every text in it masked, keys included. */
  json<T>(value: T): T;
  /** For one stream of bytes. */
  stream(): MaskStream;
}
export interface MaskStream {
  /** What may be shown of all that came so far; the chunk itself when there is nothing to hide. */
  push(chunk: Buffer): Buffer;
  /** True while an end is held back that may be the beginning of a secret. */
  readonly holds: boolean;
  /** What is held back; a telling part of a secret only at the end, and then hidden. */
  release(end: boolean): Buffer;
}
type Span = [from: number, to: number];

/** Null when there is nothing to hide. */
export function createMask(values: Iterable<string>): Mask | null {
  const forms = formsOf(values);
  if (forms.length === 0) return null;
  const texts = forms.map((form) => form.toString());
  const text = (given: string): string => {
    if (!texts.some((form) => given.includes(form))) return given;
    const bytes = Buffer.from(given);
    const spans = spansOf(bytes, forms);
    return render(bytes, spans, 0, bytes.length).out.toString();
  };
  return {
    text,
    json: <T>(value: T) => masked(value, text, 0) as T,
    stream: () => new MaskedBytes(forms),
  };
}

/**
 * How a value is usually printed: as it is, inside JSON, inside a URL, and line by line (a key in a
 * file is often indented or printed with other line ends).
 */
function formsOf(values: Iterable<string>): Buffer[] {
  const forms = new Set<string>();
  for (const value of values) {
    if (Buffer.byteLength(value) < secretBytesMin) continue;
    forms.add(value);
    // Tokens have one form only: the way of most runs.
    if (plainPattern.test(value)) continue;
    const lines = value.split(/[\r\n]+/).map((line) => line.trim());
    const telling = lines.length > 1 ? lines.filter((line) => line.length >= tellingBytes) : [];
    const inJson = JSON.stringify(value).slice(1, -1);
    for (const form of [inJson, inUrl(value), ...telling]) forms.add(form);
  }
  return [...forms].map((form) => Buffer.from(form));
}

/** Looks the same in JSON and in a URL. */
const plainPattern = /^[\w.~-]+$/;

/** Half a surrogate pair has no form in a URL. */
const inUrl = (value: string): string => encodeURIComponent(value.replaceAll(/\p{Cs}/gu, "\uFFFD"));

/** Where secrets stand, in order, those that touch or overlap as one. */
function spansOf(bytes: Buffer, forms: readonly Buffer[]): Span[] {
  const spans: Span[] = [];
  for (const form of forms)
    for (let at = bytes.indexOf(form); at !== -1; at = bytes.indexOf(form, at + 1))
      spans.push([at, at + form.length]);
  if (spans.length < 2) return spans;
  spans.sort(([a], [b]) => a - b);
  const merged: Span[] = [];
  for (const [from, to] of spans) {
    const last = merged.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}

/** The bytes from `begin` to `end` with spans hidden; a span that reaches beyond the end is hidden as a whole. */
function render(bytes: Buffer, spans: readonly Span[], begin: number, end: number) {
  const parts: Buffer[] = [];
  let shown = begin;
  for (const [from, to] of spans) {
    if (to <= shown) continue;
    if (from >= end) break;
    if (from > shown) parts.push(bytes.subarray(shown, from));
    parts.push(starBytes);
    shown = to;
  }
  if (shown < end) parts.push(bytes.subarray(shown, end));
  const out = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  return { out, shown: Math.max(shown, end) };
}

/** Where the longest end begins that may be the beginning of a secret; the length when there is none. */
function holdFrom(bytes: Buffer, forms: readonly Buffer[]): number {
  let from = bytes.length;
  for (const form of forms) {
    let at = Math.max(0, bytes.length - form.length + 1);
    for (;;) {
      at = bytes.indexOf(form[0]!, at);
      if (at === -1 || at >= from) break;
      if (bytes.compare(form, 0, bytes.length - at, at) === 0) {
        from = at;
        break;
      }
      at += 1;
    }
  }
  return from;
}

class MaskedBytes implements MaskStream {
  readonly #forms: readonly Buffer[];
  /** The end of what came that may be the beginning of a secret. */
  #held: Buffer = nothing;
  /** How much of it has been shown or hidden already: it is kept to know the rest by it. */
  #shown = 0;

  constructor(forms: readonly Buffer[]) {
    this.#forms = forms;
  }

  get holds(): boolean {
    return this.#shown < this.#held.length;
  }

  push(chunk: Buffer): Buffer {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const spans = spansOf(bytes, this.#forms);
    const end = holdFrom(bytes, this.#forms);
    // A secret that goes on where a shown part ends is hidden from there.
    const { out, shown } = render(bytes, spans, this.#shown, end);
    // A copy: a slice would keep the whole chunk alive.
    this.#held = end < bytes.length ? Buffer.from(bytes.subarray(end)) : nothing;
    this.#shown = shown - end;
    return out;
  }

  release(end: boolean): Buffer {
    if (!this.holds) return nothing;
    const telling = this.#held.length >= tellingBytes;
    if (telling && !end) return nothing;
    const spans = spansOf(this.#held, this.#forms);
    const { out } = render(this.#held, spans, this.#shown, this.#held.length);
    this.#shown = this.#held.length;
    return telling ? starBytes : out;
  }
}

function masked(value: unknown, text: (given: string) => string, depth: number): unknown {
  if (typeof value === "string") return text(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth > depthMax) return stars;
  if (Array.isArray(value)) return value.map((inner) => masked(inner, text, depth + 1));
  const shown: Record<string, unknown> = {};
  for (const key in value)
    if (Object.hasOwn(value, key))
      define(shown, text(key), masked((value as Record<string, unknown>)[key], text, depth + 1));
  return shown;
}

/** An own property whatever its name is. */
function define(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__")
    Object.defineProperty(target, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  else target[key] = value;
}
