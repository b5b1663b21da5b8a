/**
 * What an agent does, in words that no program owns: the vocabulary into which a runner translates each
 * program's own events, and the frames that carry it on `rv.<company>.run.<run>.transcript` (JSON, core
 * NATS). It is told, not kept: the raw log is the truth, and a reader of it loses nothing.
 */
import { z } from "zod";
import { usageSchema } from "./execution.js";
import { headOf } from "./text.js";

/** UTF-16 units of one text: what an event's message may hold as well. */
const textMax = 16_384;
/** Ids and names that programs give: far above what they use (about 40). */
const nameMax = 200;
/** Entries in one frame; see `framesCharsMax` in the runner for its size. */
const frameEntriesMax = 256;

const text = z.string().max(textMax);
const name = z.string().max(nameMax);
const nullableName = name.nullable();
/** `cut`: a text of it was longer than an entry may be. `parent`: the call of the sub-agent that did it. */
const shared = { cut: z.literal(true).optional(), parent: name.optional() };
const money = z.number().min(0).max(1e6).nullable();

/** One thing that an agent did or met. Kinds are added, never changed: readers pass over unknown ones. */
export const transcriptEntrySchema = z.discriminatedUnion("kind", [
  z.object({ ...shared, kind: z.literal("start"), sessionId: nullableName, model: nullableName }),
  z.object({ ...shared, kind: z.literal("text"), text }),
  z.object({ ...shared, kind: z.literal("thinking"), text }),
  /** `input`: the JSON of the tool's arguments, as text, so that a cut one is still readable. */
  z.object({ ...shared, kind: z.literal("tool_call"), callId: name, name, input: text }),
  z.object({
    ...shared,
    kind: z.literal("tool_result"),
    callId: name,
    isError: z.boolean(),
    text,
  }),
  /** Of this run so far, in total. */
  z.object({ ...shared, kind: z.literal("usage"), usage: usageSchema, costUsd: money }),
  /** `final` false: the program goes on, for instance with another try. */
  z.object({
    ...shared,
    kind: z.literal("error"),
    message: text,
    code: nullableName,
    final: z.boolean(),
  }),
  /** The program's own last word; the run's outcome is the actor's. */
  z.object({
    ...shared,
    kind: z.literal("result"),
    ok: z.boolean(),
    text,
    sessionId: nullableName,
  }),
]);
export type TranscriptEntry = z.infer<typeof transcriptEntrySchema>;

/** What is published: some entries of one attempt, in order. */
export const transcriptFrameSchema = z.object({
  companyId: z.string(),
  agentId: z.string(),
  runId: z.string(),
  attempt: z.number().int(),
  /** Of the first entry, counted from 0 in each attempt; a gap to the frame before means entries left out. */
  first: z.number().int().min(0),
  /** When the last of them was read; ISO 8601. */
  at: z.string(),
  entries: z.array(transcriptEntrySchema).min(1).max(frameEntriesMax),
});
export type TranscriptFrame = z.infer<typeof transcriptFrameSchema>;

/** The same entry within the bounds of the vocabulary: texts are cut at their end and say so. */
export function boundedEntry(entry: TranscriptEntry): TranscriptEntry {
  let cut = entry.cut ?? false;
  const bounded = Object.fromEntries(
    Object.entries(entry).map(([key, value]) => {
      if (typeof value !== "string") return [key, value];
      const isText = key === "text" || key === "input" || key === "message";
      const kept = headOf(value, isText ? textMax : nameMax);
      cut ||= kept.length < value.length;
      return [key, kept];
    }),
  ) as TranscriptEntry;
  return cut ? { ...bounded, cut: true } : bounded;
}
