// Owns what is recorded of rows that were run: each result with its date, and what follows from them: which rows still lack their
// passes at the present code. Pure; files, hashes and vitest are the command's.

/** Read by the rows themselves. */
export const formVariable = "REVEILLE_FAULTS";
export const forms = ["short", "full"] as const;
export type Form = (typeof forms)[number];

export interface Result {
  /** ISO, when it began. */
  readonly at: string;
  readonly ms: number;
  readonly passed: boolean;
  /** Of the code that the row depends on. */
  readonly hash: string;
  /** Tests that passed. */
  readonly tests: number;
  /** Tests that were left out: of the short form only, or impossible on this machine. */
  readonly skipped?: number;
  /** Why it did not pass. In the full form a skipped test is a reason too. */
  readonly reason?: string;
}
/** By row, then by form, oldest first. */
export type Results = Readonly<Record<string, Partial<Readonly<Record<Form, readonly Result[]>>>>>;

/** Of one row in one form: twice the ten passes that are asked for, so that the failures before them can still be seen. */
const keptMax = 20;

/** Passes without a failure in between, the newest first, as long as the code was this one. */
export function passesInARow(results: readonly Result[], hash: string): number {
  const lastOther = results.findLastIndex((one) => !one.passed || one.hash !== hash);
  return results.length - 1 - lastOther;
}

export function resultsOf(record: Results, id: string, form: Form): readonly Result[] {
  return record[id]?.[form] ?? [];
}

/** The record with one more result; what is older than `keptMax` results goes. */
export function withResult(record: Results, id: string, form: Form, result: Result): Results {
  const results = [...resultsOf(record, id, form), result].slice(-keptMax);
  return { ...record, [id]: { ...record[id], [form]: results } };
}

/** The record without what is known of these rows in this form: they have to pass anew. */
export function withoutResults(record: Results, ids: readonly string[], form: Form): Results {
  return Object.fromEntries(
    Object.entries(record).map(([id, of]) => [id, ids.includes(id) ? { ...of, [form]: [] } : of]),
  );
}

/** Whether the last result is of other code, or there is none. */
export function isChanged(record: Results, id: string, form: Form, hash: string): boolean {
  return resultsOf(record, id, form).at(-1)?.hash !== hash;
}

export interface Counted {
  readonly id: string;
  readonly fault: string;
  /** At the present code. */
  readonly passes: number;
  readonly last: Result | undefined;
}

/** One line per row: passes in a row, how long the slowest took, and why the last one failed. */
export function table(
  rows: readonly { id: string; fault: string; hash: string }[],
  record: Results,
  form: Form,
  times: number,
): { lines: string[]; complete: boolean } {
  const counted = rows.map(({ id, fault, hash }) => {
    const results = resultsOf(record, id, form);
    const passes = passesInARow(results, hash);
    return { id, fault, passes, last: results.at(-1), slowestMs: slowest(results, passes) };
  });
  const lines = counted.map(({ id, fault, passes, last, slowestMs }) => {
    const why = passes === 0 && last && !last.passed ? `  ${last.reason ?? "failed"}` : "";
    const count = `${passes}/${times}`.padStart(7);
    const seconds = passes > 0 ? `${(slowestMs / 1_000).toFixed(1)} s`.padStart(8) : "".padStart(8);
    const without = last?.skipped ? `  (${last.skipped} skipped)` : "";
    return `${passes >= times ? "ok  " : "    "}${id.padEnd(4)}${count}${seconds}  ${fault}${without}${why}`;
  });
  return { lines, complete: counted.every(({ passes }) => passes >= times) };
}

function slowest(results: readonly Result[], passes: number): number {
  return Math.max(0, ...results.slice(results.length - passes).map(({ ms }) => ms));
}
