/**
 * The history of a test or of a client: what was asked of the system and what it answered, written down outside of it, one line a
 * phase. Knows nothing of how it was asked.
 *
 * `invoke` is written before the question goes out. `ok`: the system has said that it took it on. `fail`: it has said no, so nothing
 * of it may exist. `info`: no answer came; it may or may not have happened, and may still.
 */
import { z } from "zod";
import { readNdjson } from "./ndjson.js";

const uuid = z.guid();

export const historyLineSchema = z.object({
  /** When the line was written, by the writer's clock; ms since 1970. */
  at: z.number(),
  /** `wake`, `cancel`, `pause`, `resume`, `terminate`, `comment`; others are kept and judged by nothing yet. */
  op: z.string().min(1).max(40),
  phase: z.enum(["invoke", "ok", "fail", "info"]),
  /** Of the operation: its `invoke` and its end carry the same. */
  id: z.string().min(1).max(200),
  companyId: uuid,
  agentId: uuid.optional(),
  issueId: uuid.optional(),
  /** The publisher's own id of a wake, or the one that the verdict named. */
  wakeId: z.string().min(1).max(128).optional(),
  idempotencyKey: z.string().min(1).max(255).optional(),
  commentId: uuid.optional(),
  runId: uuid.optional(),
  /** With `ok` of a wake: the verdict's outcome, `accepted` where none was there yet. */
  outcome: z.string().max(40).optional(),
  /** Of HTTP, with `ok` and `fail`. */
  status: z.number().int().optional(),
});
export type HistoryLine = z.infer<typeof historyLineSchema>;

/** The lines of a history. @throws EvidenceError naming file and line. */
export const readHistory = (file: string): AsyncGenerator<HistoryLine> =>
  readNdjson(file, historyLineSchema);

/** A line as it stands in a file, its end included. */
export const historyLine = (line: HistoryLine): string => `${JSON.stringify(line)}\n`;
