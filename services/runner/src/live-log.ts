/**
 * The frames that consoles show while a run prints (`heartbeat.run.log`): the newest text of each
 * stream, at most 20 frames a second and run, at most 8,192 characters a frame. They may leave things
 * out and say so; the log itself leaves nothing out.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import type { EventFrame } from "@reveille/shared/protocol/events";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";
import { incompleteEnd, startOfText } from "./core/utf8.js";
import type { OutputStream } from "./adapter.js";

export interface LiveLog {
  write(stream: OutputStream, chunk: Buffer): void;
  /** Sends what is left. */
  end(): void;
}

const frameEveryMs = 50;
/** The reference's cap, in UTF-16 units; the end is kept. */
const charsMax = 8_192;
/** Bytes that hold at least so many characters. */
const bytesMax = charsMax * 4;
const streams = ["stdout", "stderr"] as const;

interface Fresh {
  parts: Buffer[];
  bytes: number;
  dropped: boolean;
}

export function createLiveLog(
  clock: Clock,
  bus: Bus,
  subjects: Subjects,
  run: { companyId: string; agentId: string; runId: string },
): LiveLog {
  const fresh: Partial<Record<OutputStream, Fresh>> = {};
  let timer: Timer | null = null;
  let sentAt = -Infinity;

  const send = (final: boolean): void => {
    timer?.cancel();
    timer = null;
    sentAt = clock.monotonicMs();
    for (const stream of streams) {
      const entry = fresh[stream];
      if (!entry || entry.bytes === 0) continue;
      const bytes = entry.parts.length === 1 ? entry.parts[0]! : Buffer.concat(entry.parts);
      const end = final ? bytes.length : bytes.length - incompleteEnd(bytes);
      const cut = lastChars(bytes.toString("utf8", entry.dropped ? startOfText(bytes) : 0, end));
      const rest = bytes.subarray(end);
      fresh[stream] = { parts: rest.length > 0 ? [rest] : [], bytes: rest.length, dropped: false };
      if (cut.text === "") continue;
      const frame: EventFrame = {
        type: "heartbeat.run.log",
        companyId: run.companyId,
        createdAt: new Date(clock.wallMs()).toISOString(),
        payload: {
          runId: run.runId,
          agentId: run.agentId,
          stream,
          chunk: cut.text,
          truncated: entry.dropped || cut.truncated,
        },
      };
      bus.publish(subjects.event(run.companyId, frame.type), Buffer.from(JSON.stringify(frame)));
    }
  };
  return {
    write: (stream, chunk) => {
      const entry = (fresh[stream] ??= { parts: [], bytes: 0, dropped: false });
      entry.parts.push(chunk);
      entry.bytes += chunk.length;
      while (entry.parts.length > 1 && entry.bytes - entry.parts[0]!.length >= bytesMax) {
        entry.bytes -= entry.parts.shift()!.length;
        entry.dropped = true;
      }
      if (entry.parts.length === 1 && entry.bytes > bytesMax) {
        entry.parts = [chunk.subarray(chunk.length - bytesMax)];
        entry.bytes = bytesMax;
        entry.dropped = true;
      }
      const due = sentAt + frameEveryMs - clock.monotonicMs();
      timer ??= clock.after(Math.max(0, due), () => send(false));
    },
    end: () => {
      if (fresh.stdout || fresh.stderr) send(true);
      timer?.cancel();
    },
  };
}

/** The end of a text, never begun inside a surrogate pair. */
function lastChars(text: string): { text: string; truncated: boolean } {
  if (text.length <= charsMax) return { text, truncated: false };
  const at = text.length - charsMax;
  const code = text.charCodeAt(at);
  return { text: text.slice(code >= 0xdc00 && code <= 0xdfff ? at + 1 : at), truncated: true };
}
