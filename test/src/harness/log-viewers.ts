// Owns readers of a run's log as people have them: Server-Sent Events, WebSocket and pages. Each checks on the way that what it gets is
// valid UTF-8 and valid JSON, and puts the text of each stream together again. Knows no NATS.
import { request, type IncomingMessage } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";

export interface LogLine {
  stream: "stdout" | "stderr";
  chunk: string;
}
export interface Viewed {
  lines: LogLine[];
  /** The run's end was told. */
  ended: boolean;
}
export interface Viewer {
  /** What was told so far; grows. */
  readonly viewed: Viewed;
  /** Resolves when the gateway has ended it. @throws Error at anything that is not valid. */
  readonly over: Promise<void>;
}

/** All text of one stream. */
export const textOf = ({ lines }: Viewed, stream: LogLine["stream"]): string =>
  lines
    .filter((line) => line.stream === stream)
    .map(({ chunk }) => chunk)
    .join("");

/** How fast a slow viewer reads: after each piece it pauses for as long as that should have taken. */
interface Pace {
  bytesPerSecond?: number;
  /** From then on it reads as fast as it can. */
  until?: AbortSignal;
}

/** Follows by Server-Sent Events. A slow one leaves in the socket what it does not read. */
export function followEvents(gateway: string, runId: string, pace: Pace = {}): Viewer {
  const viewed: Viewed = { lines: [], ended: false };
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let rest = "";
  const take = (bytes: Uint8Array): void => {
    const blocks = (rest + decoder.decode(bytes, { stream: true })).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const [, event, data] = /^id: .*\nevent: (.*)\ndata: (.*)$/.exec(block) ?? [];
      if (event === "end") viewed.ended = true;
      else if (event === "log") viewed.lines.push(JSON.parse(data!) as LogLine);
    }
  };
  const over = whenServed(async () => {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const path = `${gateway}/api/heartbeat-runs/${runId}/log/stream`;
      const call = request(path, { headers: { accept: "text/event-stream" } });
      call.once("error", reject).once("response", resolve).end();
    });
    if (response.statusCode === busy) {
      response.resume();
      return false;
    }
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    await readPaced(response, pace, take);
    return true;
  });
  return { viewed, over };
}

/** What a gateway answers that is too busy at the moment; a viewer comes back, as it was told to. */
const busy = 503;
const comesBackAfterMs = 500;
const comesBackMax = 20;

/** Asks until it was served. What goes wrong is told to whoever waits for it, now or later. */
function whenServed(ask: () => Promise<boolean>): Promise<void> {
  const over = (async (): Promise<void> => {
    for (let left = comesBackMax; !(await ask()); left -= 1) {
      if (left === 0) throw new Error(`${comesBackMax} times ${busy}`);
      await pause(comesBackAfterMs);
    }
  })();
  over.catch(() => undefined);
  return over;
}

async function readPaced(
  source: AsyncIterable<Uint8Array>,
  { bytesPerSecond, until }: Pace,
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  for await (const bytes of source) {
    take(bytes);
    if (bytesPerSecond !== undefined && !until?.aborted)
      await pause(
        (bytes.length / bytesPerSecond) * 1_000,
        undefined,
        until ? { signal: until } : {},
      ).catch(() => undefined);
  }
}

/** Follows by WebSocket; the client library refuses what is not UTF-8. */
export function followSocket(gateway: string, runId: string, pace: Pace = {}): Viewer {
  const viewed: Viewed = { lines: [], ended: false };
  const url = `${gateway.replace("http", "ws")}/api/heartbeat-runs/${runId}/log/ws`;
  const ask = (): Promise<boolean> =>
    new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      socket.on("message", (data: Buffer) => {
        const frame = JSON.parse(data.toString()) as { event: string; data: LogLine };
        if (frame.event === "end") viewed.ended = true;
        else viewed.lines.push(frame.data);
        if (pace.bytesPerSecond === undefined || pace.until?.aborted) return;
        socket.pause();
        setTimeout(() => socket.resume(), (data.length / pace.bytesPerSecond) * 1_000).unref();
      });
      pace.until?.addEventListener("abort", () => socket.resume());
      socket.once("unexpected-response", (_, response) => {
        socket.terminate();
        if (response.statusCode === busy) resolve(false);
        else reject(new Error(`status ${response.statusCode}`));
      });
      socket.once("error", reject);
      socket.once("close", () => resolve(true));
    });
  return { viewed, over: whenServed(ask) };
}

/** Reads the log page by page, at most `limitBytes` each. */
export async function readPages(
  gateway: string,
  runId: string,
  limitBytes: number,
): Promise<Viewed> {
  let text = "";
  for (let offset: number | undefined = 0; offset !== undefined;) {
    const query = `offset=${offset}&limitBytes=${limitBytes}`;
    const response = await fetch(`${gateway}/api/heartbeat-runs/${runId}/log?${query}`);
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const page = (await response.json()) as { content: string; nextOffset?: number };
    text += page.content;
    offset = page.nextOffset;
  }
  const lines = text.split("\n").filter(Boolean);
  return { lines: lines.map((line) => JSON.parse(line) as LogLine), ended: true };
}
