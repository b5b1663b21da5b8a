/**
 * Publishes what an agent does, entry by entry in the common vocabulary, beside the raw log. Gathers for a
 * moment and leaves out what is too much; the numbers of the frames show it. Stores nothing, never waits.
 */
import type { Bus } from "@reveille/shared/nats/bus";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { boundedEntry, transcriptEntrySchema } from "@reveille/shared/protocol/transcript";
import type { TranscriptEntry, TranscriptFrame } from "@reveille/shared/protocol/transcript";
import type { Clock, Timer } from "@reveille/shared/runtime/clock";

export interface Transcript {
  /** False: it is no entry of the vocabulary, and was left out. */
  tell(entry: TranscriptEntry): boolean;
  /** Sends what is left. */
  end(): void;
}

/** As often as the live log: 20 frames a second are more than people see. */
const frameEveryMs = 50;
/** Of one frame: what `transcriptFrameSchema` takes. */
const entriesMax = 256;
/** UTF-16 units of a frame's JSON, at most three bytes each: below half of the server's limit (1 MiB). */
const charsMax = 160 * 1024;

export interface TranscriptOf {
  companyId: string;
  agentId: string;
  runId: string;
  attempt: number;
}

export function createTranscript(
  clock: Clock,
  bus: Pick<Bus, "publish" | "connected">,
  subjects: Subjects,
  { companyId, agentId, runId, attempt }: TranscriptOf,
): Transcript {
  let entries: TranscriptEntry[] = [];
  let chars = 0;
  /** Of all entries, those left out too. */
  let count = 0;
  let first = 0;
  let timer: Timer | null = null;
  let sentAt = -Infinity;

  const send = (): void => {
    timer?.cancel();
    timer = null;
    if (entries.length === 0) return;
    sentAt = clock.monotonicMs();
    const at = new Date(clock.wallMs()).toISOString();
    const frame: TranscriptFrame = { companyId, agentId, runId, attempt, first, at, entries };
    entries = [];
    chars = 0;
    // What nobody could hear is not kept for later: the log has it.
    if (bus.connected)
      bus.publish(subjects.transcript(companyId, runId), Buffer.from(JSON.stringify(frame)));
  };
  return {
    tell: (given) => {
      const read = transcriptEntrySchema.safeParse(boundedEntry(given));
      if (!read.success) return false;
      const number = count++;
      const size = JSON.stringify(read.data).length;
      if (entries.length >= entriesMax || chars + size > charsMax) return true;
      if (entries.length === 0) first = number;
      // After a gap within a frame its numbers would lie: the rest waits for the next one.
      else if (first + entries.length !== number) return true;
      entries.push(read.data);
      chars += size;
      timer ??= clock.after(Math.max(0, sentAt + frameEveryMs - clock.monotonicMs()), send);
      return true;
    },
    end: send,
  };
}
