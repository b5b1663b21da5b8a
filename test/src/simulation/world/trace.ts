// Owns what is remembered of a simulated run: its last events as text, and a fingerprint of all of them. Knows nothing of what they mean.

/** Of a run's events, so many are kept to be shown. */
const keptMax = 4_000;

export class Trace {
  readonly #lines: (readonly [atMs: number, who: string, what: string, detail: unknown])[] = [];
  #low = 0x811c9dc5;
  #high = 0x01000193;
  #count = 0;

  /** `detail` is kept as it is and becomes text only when it is shown: nothing may change it afterwards. */
  note(atMs: number, who: string, what: string, detail: unknown = ""): void {
    this.#count += 1;
    this.#mix(who);
    this.#mix(what);
    this.#low = Math.imul(this.#low ^ Math.round(atMs * 1_000), 0x01000193) >>> 0;
    if (typeof detail === "string") this.#mix(detail);
    this.#lines[(this.#count - 1) % keptMax] = [atMs, who, what, detail];
  }
  /** The same for two runs in which the same happened at the same times. */
  get hash(): string {
    return `${this.#count}-${this.#low.toString(16)}-${this.#high.toString(16)}`;
  }
  /** The last events, oldest first. */
  last(count: number): string[] {
    const from = Math.max(0, this.#count - Math.min(count, keptMax));
    return Array.from({ length: this.#count - from }, (_, at) => {
      const [atMs, who, what, detail] = this.#lines[(from + at) % keptMax]!;
      const text = typeof detail === "string" ? detail : JSON.stringify(detail, asText);
      return `${(atMs / 1_000).toFixed(4).padStart(9)} ${who.padEnd(12)} ${what} ${text}`.trimEnd();
    });
  }

  #mix(text: string): void {
    for (let at = 0; at < text.length; at += 1) {
      this.#low = Math.imul(this.#low ^ text.charCodeAt(at), 0x01000193);
    }
    this.#low >>>= 0;
    this.#high = Math.imul(this.#high ^ this.#low ^ (this.#low >>> 15), 0x85ebca6b) >>> 0;
  }
}

const asText = (_key: string, value: unknown): unknown =>
  typeof value === "bigint" ? value.toString() : value;
