// Owns what assertions of scenarios ask about: rows by agent and status, the machine's processes, the numbers of events. Asserts nothing
// that is not general.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import type { Row } from "./client.js";
import type { Rows } from "./rows.js";

/** Ids of the processes of a run that live now, grandchildren included: each has the run's id in its environment. */
export function processesOf(runId: string): number[] {
  const mark = `REVEILLE_RUN_ID=${runId}\0`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(mark))
    .map(Number);
}

/** Empty for a process that has ended meanwhile, is a zombie, or is somebody else's. */
function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1");
  } catch {
    return "";
  }
}

/** Every run's events are numbered 1 to n, none twice. */
export function assertNumbered(rows: Rows): void {
  for (const { id } of rows.heartbeat_runs) {
    const seqs = rows.heartbeat_run_events
      .filter((event) => event["run_id"] === id)
      .map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      seqs.map((_, index) => index + 1),
      "event seq 1..n without repeats",
    );
  }
}

/** The row itself when there is exactly one. */
export function only<T>(found: readonly T[], what: string): T {
  assert.equal(found.length, 1, `exactly one ${what}`);
  return found[0]!;
}

/** Nothing was written that a wake would have written. */
export function assertNothingWritten(rows: Rows): void {
  assert.deepEqual(rows.heartbeat_runs, []);
  assert.deepEqual(rows.agent_wakeup_requests, []);
}

/** One value of each row. */
export const column = (rows: readonly Row[], field: string): unknown[] =>
  rows.map((row) => row[field]);

/** `a` had ended when `b` began. */
export function assertApart(a: Row, b: Row): void {
  const ended = a["finished_at"] as Date;
  const began = b["started_at"] as Date;
  assert.ok(
    ended <= began,
    `the second run began ${began.toISOString()}, the first ended ${ended.toISOString()}`,
  );
}
