// Owns batches that Postgres refuses, each for one reason, and what the shell makes of each. Knows no store.
import type { Row } from "@reveille/agent-actor/core/decision";
import { RowSet } from "@reveille/agent-actor/shell/row-set";
import type { RowMaker } from "./store-rows.js";

export interface Poison {
  what: string;
  /** `Committed`, in short. */
  outcome: string;
  rows: (make: RowMaker) => Row[];
}
/** Rows that fit, for poison to stand among. */
const run = (make: RowMaker, fields: object = {}): Row => ({
  table: "runs",
  op: "insert",
  row: { ...make.newRun(), holdsIssue: false, ...fields },
});
const verdict = (make: RowMaker, fields: object): Row => ({
  table: "verdicts",
  op: "insert",
  row: { ...make.verdict(), ...fields },
});

export const poisons: readonly Poison[] = [
  {
    what: "an id that is none",
    outcome: "rejected 22P02",
    rows: (make) => [run(make), run(make, { claimId: "no uuid" })],
  },
  {
    what: "a NUL in a text",
    outcome: "rejected 22P05",
    rows: (make) => [run(make, { error: "a\u0000b" })],
  },
  {
    what: "a NUL deep in JSON",
    outcome: "rejected 22P05",
    rows: (make) => [run(make, { resultJson: { a: [{ b: "\u0000" }] } })],
  },
  {
    what: "half of a surrogate pair",
    outcome: "rejected 22P02",
    rows: (make) => [run(make, { error: "\ud83d" })],
  },
  {
    what: "a number that is too large",
    outcome: "rejected 22003",
    rows: (make) => [run(make, { attempt: 2 ** 31 })],
  },
  {
    what: "a broken number",
    outcome: "rejected 22P02",
    rows: (make) => [run(make, { losses: 1.5 })],
  },
  {
    what: "a moment that is none",
    outcome: "rejected 22007",
    rows: (make) => [run(make, { createdAt: "soon" })],
  },
  {
    what: "a missing value",
    outcome: "rejected 23502",
    rows: (make) => [run(make, { pool: null })],
  },
  {
    what: "the same run twice",
    outcome: "rejected heartbeat_runs_pkey",
    rows: (make) => [run(make, { id: make.cast.runIds[0] })],
  },
  {
    what: "an event's number twice",
    outcome: "rejected run_events_run_seq",
    rows: (make) => {
      const event = make.event();
      return [event, { ...event, message: "again" }].map((row) => ({
        table: "events",
        op: "insert",
        row,
      }));
    },
  },
  {
    what: "a verdict twice",
    outcome: "rejected wake_verdicts_agent_id_wake_id_pk",
    rows: (make) => {
      const first = make.verdict();
      const again = { ...first, idempotencyKey: null };
      return [first, again].map((row) => ({ table: "verdicts", op: "insert", row }));
    },
  },
  {
    what: "two owners of an idempotency key",
    outcome: "rejected wake_verdicts_idempotency_key",
    rows: (make) => {
      const agentId = make.cast.agentIds[0]!;
      return [1, 2].map(() => verdict(make, { agentId, idempotencyKey: "mine" }));
    },
  },
  {
    what: "two costs of one run",
    outcome: "rejected cost_events_run_id_unique",
    rows: (make) => {
      const runId = make.uuid();
      return [1, 2].map(() => ({
        table: "costs",
        op: "insert",
        row: { ...make.cost(), runId },
      }));
    },
  },
  {
    what: "totals of nobody",
    outcome: "rejected 23503",
    rows: (make) => [
      run(make),
      { table: "runtimeStates", op: "upsert", row: { ...make.runtime(), agentId: make.uuid() } },
    ],
  },
  {
    what: "two runs that hold one issue",
    outcome: "issue-held",
    rows: (make) => {
      const issueId = make.cast.issueIds[0];
      return [1, 2].map(() => run(make, { issueId, holdsIssue: true }));
    },
  },
];

export function rowSetOf(rows: readonly Row[]): RowSet {
  const set = new RowSet();
  for (const row of rows) set.add(row);
  return set;
}
