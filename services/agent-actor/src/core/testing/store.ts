/**
 * What Postgres keeps, as far as the properties of `core/` hang on it: one transaction per message, a
 * unique index of lock-holding runs, conditional ends. It complains where the real one would, and
 * where a decision breaks a promise that no constraint guards (an end after the end, a gap in events).
 */
import { invariant } from "@reveille/shared/errors";
import type { Row } from "../decision.js";
import type { Json } from "../state.js";
import { createBooks, keepBooks } from "./books.js";
import type { Books } from "./books.js";

export const terminalWakes = new Set([
  "completed",
  "failed",
  "cancelled",
  "timed_out",
  "coalesced",
  "skipped",
]);

export interface Store {
  runs: Map<string, Json>;
  wakes: Map<string, Json>;
  /** By agent and wake id. */
  verdicts: Map<string, Json>;
  /** By run: the numbers of its events, in the order in which they were written. */
  events: Map<string, number[]>;
  books: Books;
}

export const createStore = (): Store => ({
  runs: new Map(),
  wakes: new Map(),
  verdicts: new Map(),
  events: new Map(),
  books: createBooks(),
});

const isOver = (row: Json | undefined): boolean => row?.["phase"] === "over";

/** Writes the rows or nothing. Returns the issue that another run holds, or null: all is written. */
export function commit(store: Store, rows: readonly Row[]): string | null {
  const runs = new Map(store.runs);
  const wakes = new Map(store.wakes);
  for (const row of rows) {
    if (row.table === "runs" || row.table === "runEnds") writeRun(runs, row.op, row.row);
    else if (row.table === "wakes") writeWake(wakes, row.op, row.row);
  }
  const holders = new Set<unknown>();
  for (const run of runs.values()) {
    if (run["holdsIssue"] !== true) continue;
    if (holders.has(run["issueId"])) return String(run["issueId"]);
    holders.add(run["issueId"]);
  }
  for (const row of rows) {
    if (row.table === "events") writeEvent(store, row.row);
    if (row.table === "verdicts") writeVerdict(store, row.row);
    keepBooks(store.books, row);
  }
  store.runs = runs;
  store.wakes = wakes;
  return null;
}

type Op = "insert" | "update";
type Change = Json & { id: string };

function writeRun(runs: Map<string, Json>, op: Op, row: Change): void {
  const known = runs.get(row.id);
  if (op === "insert") {
    invariant(!known, "a run is inserted once", row);
    runs.set(row.id, { ...row });
    return;
  }
  invariant(known, "a changed run exists", row);
  invariant(!isOver(known), "terminal is final", { known, row });
  invariant("phase" in row, "a row of changes is whole", row);
  runs.set(row.id, { ...known, ...row });
}

function writeWake(wakes: Map<string, Json>, op: Op, row: Change): void {
  const known = wakes.get(row.id);
  if (op === "insert") {
    invariant(!known, "a wake's row is inserted once", row);
    wakes.set(row.id, { ...row });
    return;
  }
  invariant(known, "a changed wake exists", row);
  const over = terminalWakes.has(String(known["status"]));
  invariant(!over || row["status"] === undefined, "a wake ends once", row);
  wakes.set(row.id, { ...known, ...row });
}

function writeEvent(store: Store, row: Json): void {
  const runId = String(row["runId"]);
  const seqs = store.events.get(runId) ?? [];
  invariant(row["seq"] === seqs.length + 1, "events are numbered 1..n", { row, seqs });
  store.events.set(runId, [...seqs, row["seq"]]);
}

function writeVerdict(store: Store, row: Json): void {
  const key = `${String(row["agentId"])} ${String(row["wakeId"])}`;
  invariant(!store.verdicts.has(key), "a wake has one verdict", row);
  store.verdicts.set(key, row);
}
