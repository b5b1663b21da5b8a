/** Witness files, read once: each attempt of a run with its processes' lines, in order. Bounded; knows no rows. */
import { EvidenceError } from "../evidence/ndjson.js";
import { readWitness } from "../evidence/witness.js";
import type { WitnessLine } from "../evidence/witness.js";

export interface WitnessedAttempt {
  companyId: string;
  runId: string;
  attempt: number;
  agentId: string;
  issueId: string | null;
  /** One for each process that said that it began this attempt. */
  starts: { bootMs: number; order: number }[];
  ends: WitnessLine[];
  /** The latest moment at which one of its processes wrote, ms since boot. */
  lastBootMs: number;
}
export interface Witnessed {
  /** By `<run> <attempt>`, in the order of their first lines. */
  attempts: ReadonlyMap<string, WitnessedAttempt>;
  overlaps: WitnessLine[];
  /** Starts and ends in the order in which they were written. */
  order: { what: "start" | "end"; key: string }[];
  /** What to add to `bootMs` for ms since 1970, on the machine that reads; by its clock of now. */
  wallOffsetMs: number;
}

/** A million lines: hours of a soak. */
const linesMax = 1_000_000;

export const attemptKey = ({ runId, attempt }: { runId: string; attempt: number }): string =>
  `${runId} ${attempt}`;

/** @throws EvidenceError naming file and line. */
export async function indexWitness(
  files: readonly string[],
  wallOffsetMs: number,
): Promise<Witnessed> {
  const attempts = new Map<string, WitnessedAttempt>();
  const overlaps: WitnessLine[] = [];
  const order: Witnessed["order"] = [];
  let lines = 0;
  for (const file of files)
    for await (const line of readWitness(file)) {
      lines += 1;
      if (lines > linesMax) throw new EvidenceError(`${file}: more than ${linesMax} lines`);
      const { what, bootMs, companyId, runId, attempt, agentId, issueId } = line;
      const key = attemptKey(line);
      const known = attempts.get(key) ?? {
        companyId,
        runId,
        attempt,
        agentId,
        issueId,
        starts: [],
        ends: [],
        lastBootMs: bootMs,
      };
      attempts.set(key, known);
      known.lastBootMs = Math.max(known.lastBootMs, bootMs);
      if (what === "overlap") overlaps.push(line);
      if (what === "start") known.starts.push({ bootMs, order: lines });
      if (what === "end") known.ends.push(line);
      if (what === "start" || (what === "end" && known.ends.length === 1))
        order.push({ what, key });
    }
  return { attempts, overlaps, order, wallOffsetMs };
}
