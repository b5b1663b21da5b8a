/** Histories, read once: the operations with how they ended. Bounded; knows no rows. */
import { EvidenceError } from "../evidence/ndjson.js";
import { readHistory } from "../evidence/history.js";
import type { HistoryLine } from "../evidence/history.js";

/** An operation: its latest line, with what earlier ones said of it. */
export interface Operation extends HistoryLine {
  /** When it was asked. */
  invokedAt: number;
}
export interface History {
  operations: Operation[];
}

/** A million: hours of a soak, some hundred MB. More is cut into pieces by whoever writes it. */
const operationsMax = 1_000_000;

/** @throws EvidenceError naming file and line. */
export async function indexHistory(files: readonly string[]): Promise<History> {
  const operations = new Map<string, Operation>();
  for (const file of files)
    for await (const line of readHistory(file)) {
      const key = `${line.op} ${line.id}`;
      const earlier = operations.get(key);
      operations.set(key, { ...earlier, ...line, invokedAt: earlier?.invokedAt ?? line.at });
      if (operations.size > operationsMax)
        throw new EvidenceError(`${file}: more than ${operationsMax} operations`);
    }
  return { operations: [...operations.values()] };
}
