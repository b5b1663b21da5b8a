/**
 * The WebSocket of one run's log: comes back by itself to where it was cut, until the run's end was told. Knows no screen.
 */
import { LogBuffer } from "./log-buffer.js";
import type { LogFrame } from "./log-buffer.js";

export interface LogEnd {
  status: string;
  exitCode: number | null;
  signal: string | null;
  error: string | null;
}
type Frame = LogFrame | { event: "end"; id: string; data: LogEnd };

const retryMs = [250, 500, 1_000, 2_000, 4_000, 8_000];

export class LogSocket {
  readonly buffer = new LogBuffer();
  end: LogEnd | null = null;
  connected = false;
  readonly #runId: string;
  readonly #onChange: () => void;
  #socket: WebSocket | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  #stopped = false;

  constructor(runId: string, onChange: () => void) {
    this.#runId = runId;
    this.#onChange = onChange;
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#socket?.close();
  }

  #open(): void {
    const url = new URL(`/api/heartbeat-runs/${this.#runId}/log/ws`, globalThis.location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    if (this.buffer.lastId !== null) url.searchParams.set("after", this.buffer.lastId);
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      this.connected = true;
      this.#onChange();
    });
    socket.addEventListener("message", ({ data }: MessageEvent<string>) => {
      if (!this.#stopped) this.#take(JSON.parse(data) as Frame);
    });
    socket.addEventListener("close", () => {
      this.connected = false;
      if (this.#stopped || this.end) return;
      this.#timer = setTimeout(
        () => this.#open(),
        retryMs[Math.min(this.#failures, retryMs.length - 1)],
      );
      this.#failures += 1;
      this.#onChange();
    });
  }

  #take(frame: Frame): void {
    this.#failures = 0;
    if (frame.event === "end") this.end = frame.data;
    else if (!this.buffer.append(frame)) return;
    this.#onChange();
  }
}
