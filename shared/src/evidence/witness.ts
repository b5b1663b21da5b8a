/**
 * The witness: what the processes of agents wrote down of themselves, outside of the system, each line appended whole, so that the
 * order of the lines is the order in which things happened. Knows no rows and no streams.
 *
 * A killed process writes no `end`. `overlap`: it found, by a lock of the kernel that every process of a tree inherits, somebody alive
 * who should not be.
 */
import { z } from "zod";
import { readNdjson } from "./ndjson.js";

const uuid = z.guid();

export const witnessLineSchema = z.object({
  what: z.enum(["start", "child", "end", "overlap"]),
  companyId: uuid,
  runId: uuid,
  attempt: z.number().int().min(1),
  agentId: uuid,
  issueId: uuid.nullable(),
  /** Of the process that writes. */
  pid: z.number().int(),
  /** CLOCK_BOOTTIME in ms: one clock for all processes of a machine, which nobody sets. */
  bootMs: z.number(),
  /** With `overlap`: what it should have had for itself. */
  with: z.enum(["run", "agent", "issue"]).optional(),
  /** With `end`: what it wrote to one stream, in bytes, and their sha256, hex. One line for each stream that it speaks of. */
  stream: z.enum(["stdout", "stderr"]).optional(),
  bytes: z.number().int().min(0).optional(),
  sha256: z.string().length(64).optional(),
  /** With `end`: what it told the system that it has cost; millionths of a dollar. */
  costMicros: z.number().int().min(0).optional(),
});
export type WitnessLine = z.infer<typeof witnessLineSchema>;

/** The lines of a witness file. @throws EvidenceError naming file and line. */
export const readWitness = (file: string): AsyncGenerator<WitnessLine> =>
  readNdjson(file, witnessLineSchema);
