/**
 * The WebSocket of live events: connects, comes back by itself, resumes where it was cut, and says how current it is. Knows no page.
 * Frames that were told twice are left out by the state that takes them.
 */
import { LiveState } from "./live-state.js";
import type { Frame } from "./live-state.js";

/** `behind`: connected, and what is shown is older than `behindMs`, or was let go for being too slow. */
export type Connection = "connecting" | "live" | "behind" | "offline";

/** Pauses between tries: at first at once, then as often as a person would look. */
const retryMs = [250, 500, 1_000, 2_000, 4_000, 8_000];
/** A socket that does not open by then is given up: a gateway answers in milliseconds. */
const openMs = 10_000;
/** Below it nobody sees a difference. */
const behindMs = 5_000;
/** WebSocket's "try again later": the gateway let us go because we were too slow. */
const tooSlow = 1013;

export class EventsSocket {
  readonly state = new LiveState();
  connection: Connection = "connecting";
  readonly #companyId: string;
  readonly #onFrame: (frame: Frame) => void;
  readonly #onChange: () => void;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #stopped = false;
  /** By how much the gateway's clock is ahead of ours. */
  #skewMs = 0;

  constructor(companyId: string, on: { frame: (frame: Frame) => void; change: () => void }) {
    this.#companyId = companyId;
    this.#onFrame = on.frame;
    this.#onChange = on.change;
    globalThis.addEventListener("online", this.#retryNow);
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    globalThis.removeEventListener("online", this.#retryNow);
    this.#socket?.close();
  }

  readonly #retryNow = (): void => {
    if (this.connection === "live" || this.#stopped) return;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#open();
  };

  #open(): void {
    const url = new URL(`/api/companies/${this.#companyId}/events/ws`, globalThis.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.search = this.state.resumeQuery();
    const socket = new WebSocket(url);
    this.#socket = socket;
    const late = setTimeout(() => socket.close(), openMs);
    socket.addEventListener("message", ({ data }: MessageEvent<string>) => {
      if (socket === this.#socket) this.#take(JSON.parse(data) as Frame);
    });
    socket.addEventListener("open", () => clearTimeout(late));
    socket.addEventListener("close", ({ code }) => {
      clearTimeout(late);
      if (socket === this.#socket && !this.#stopped) this.#comeBack(code);
    });
  }

  #take(frame: Frame): void {
    const at = Date.parse(frame.createdAt);
    if (frame.type === "snapshot") this.#skewMs = at - Date.now();
    const news = this.state.apply(frame);
    if (frame.type === "caught-up") {
      this.#failures = 0;
      this.#become("live");
    } else if (this.connection === "live" || this.connection === "behind") {
      const ageMs = Date.now() + this.#skewMs - at;
      this.#become(ageMs > behindMs ? "behind" : "live");
    }
    if (news) this.#onFrame(frame);
  }

  #comeBack(code: number): void {
    const pause = retryMs[Math.min(this.#failures, retryMs.length - 1)]!;
    this.#failures += 1;
    this.#become(code === tooSlow ? "behind" : this.#failures > 1 ? "offline" : "connecting");
    this.#timer = setTimeout(() => this.#open(), pause);
  }

  #become(connection: Connection): void {
    if (this.connection === connection) return;
    this.connection = connection;
    this.#onChange();
  }
}
