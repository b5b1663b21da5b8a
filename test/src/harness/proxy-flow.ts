// Owns one direction of one proxied connection: bytes, their end and their reset leave in the order in which they came, when the
// weather of the link lets them. Knows nothing of what the bytes mean.
import type { Socket } from "node:net";

/** What a link does to one direction, for all of its connections together. Changed while connections live. */
export interface Weather {
  /** Nothing gets through; it arrives when this ends, as TCP sends again what was not confirmed. */
  held: boolean;
  /** Each piece comes so much later, give or take `jitterMs`. */
  delayMs: number;
  jitterMs: number;
  /** Infinity: as fast as it goes. */
  bytesPerSecond: number;
  /** When the link has sent what was given to it (`performance.now()`). */
  freeAt: number;
}

export const fairWeather = (): Weather => ({
  held: false,
  delayMs: 0,
  jitterMs: 0,
  bytesPerSecond: Infinity,
  freeAt: 0,
});

type Piece = { at: number } & (
  { kind: "bytes"; bytes: Buffer } | { kind: "end" } | { kind: "reset" }
);

/** About what a kernel's two socket buffers hold; beyond it the sender has to wait. */
const queuedBytesMax = 256 * 1024;
/** A slow link sends piece by piece, so that many connections share it: as large as an Ethernet frame. */
const slowPieceBytes = 1_500;

export class Flow {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #weather: Weather;
  readonly #queue: Piece[] = [];
  #queuedBytes = 0;
  #lastAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #blocked = false;
  #over = false;

  /** `inspect` sees each arriving chunk once; false: it goes nowhere. */
  constructor(from: Socket, to: Socket, weather: Weather, inspect: (chunk: Buffer) => boolean) {
    this.#from = from;
    this.#to = to;
    this.#weather = weather;
    from.on("data", (chunk: Buffer) => {
      if (inspect(chunk)) this.#take(chunk);
    });
    from.on("end", () => this.#push({ kind: "end", at: this.#when(0) }));
    from.on("close", (hadError) => {
      if (hadError) this.#push({ kind: "reset", at: this.#when(0) });
    });
    to.on("drain", () => {
      this.#blocked = false;
      this.kick();
    });
  }

  /** Sends what may go now; called when the weather changed. */
  kick(): void {
    clearTimeout(this.#timer);
    while (!this.#blocked && !this.#weather.held && !this.#over) {
      const piece = this.#queue[0];
      if (!piece) break;
      const waitMs = piece.at - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.kick(), waitMs);
        break;
      }
      this.#queue.shift();
      this.#send(piece);
    }
    if (this.#queuedBytes < queuedBytesMax) this.#from.resume();
  }

  /** Nothing more leaves. */
  stop(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#queue.length = 0;
  }

  #take(chunk: Buffer): void {
    const size = Number.isFinite(this.#weather.bytesPerSecond) ? slowPieceBytes : chunk.length;
    for (let at = 0; at < chunk.length; at += size) {
      const bytes = chunk.subarray(at, at + size);
      this.#queuedBytes += bytes.length;
      this.#push({ kind: "bytes", bytes, at: this.#when(bytes.length) });
    }
    if (this.#queuedBytes >= queuedBytesMax) this.#from.pause();
  }

  #push(piece: Piece): void {
    if (this.#over) return;
    this.#queue.push(piece);
    if (this.#queue.length === 1) this.kick();
  }

  /** When a piece of this size arrives: after those before it, after its turn on the link. */
  #when(bytes: number): number {
    const { delayMs, jitterMs, bytesPerSecond } = this.#weather;
    const now = performance.now();
    this.#weather.freeAt = Math.max(this.#weather.freeAt, now) + (bytes / bytesPerSecond) * 1_000;
    const late = Math.max(0, delayMs + (Math.random() * 2 - 1) * jitterMs);
    this.#lastAt = Math.max(this.#lastAt, this.#weather.freeAt + late);
    return this.#lastAt;
  }

  #send(piece: Piece): void {
    // Ended by somebody else meanwhile: what still comes is lost, as behind a closed window.
    const ended = this.#to.writableEnded || this.#to.destroyed;
    if (piece.kind === "bytes") this.#queuedBytes -= piece.bytes.length;
    if (ended && piece.kind !== "reset") return;
    switch (piece.kind) {
      case "bytes":
        this.#blocked = !this.#to.write(piece.bytes);
        break;
      case "end":
        this.#to.end();
        break;
      case "reset":
        this.#to.resetAndDestroy();
        break;
    }
  }
}
