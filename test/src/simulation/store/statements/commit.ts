// Owns the statement that commits a batch, and the question whether it did. Parts happen in the order in which Postgres runs them: the fence
// first, because the result needs it, then what changes data, the last part first. They all read what was there before the statement.
import { readInsert, readUpdate, valuesOf } from "../records.js";
import type { RecordStatement } from "../records.js";
import { SqlError } from "../sql-error.js";
import type { Handler, StatementContext } from "../store.js";
import type { Table } from "../table.js";
import type { Tables } from "../tables.js";
import { fromJson, recordsOf } from "../value.js";
import { updateAgents } from "./commit-agents.js";
import { updateIssues, upsertRuntime } from "./commit-runtime.js";
import { deleteSessions, resetSessions, upsertSessions } from "./commit-sessions.js";
import { answer, numberOf } from "./parameters.js";

/** Parameters by what the shell calls them; records come from 0 on, in the order of its tables. */
const at = {
  agents: 8,
  runtime: 9,
  issues: 10,
  sessions: 12,
  agentSessions: 13,
  cursors: 14,
  moved: 15,
};

interface Parts {
  newWakes: RecordStatement;
  changedWakes: RecordStatement;
  newRuns: RecordStatement;
  changedRuns: RecordStatement;
  endedRuns: RecordStatement;
  newEvents: RecordStatement;
  newVerdicts: RecordStatement;
  newCosts: RecordStatement;
  dead: RecordStatement;
}
const readBefore = new Map<string, Parts>();

function partsOf(text: string): Parts {
  const known = readBefore.get(text);
  if (known) return known;
  const parts = {
    newWakes: readInsert(text, "new_wakes"),
    changedWakes: readUpdate(text, "changed_wakes"),
    newRuns: readInsert(text, "new_runs"),
    changedRuns: readUpdate(text, "changed_runs"),
    endedRuns: readUpdate(text, "ended_runs"),
    newEvents: readInsert(text, "new_events"),
    newVerdicts: readInsert(text, "new_verdicts"),
    newCosts: readInsert(text, "new_costs"),
    dead: readInsert(text, "dead"),
  };
  readBefore.set(text, parts);
  return parts;
}

const tableOf = (tables: Tables, { table }: RecordStatement): Table<object> =>
  tables[table as keyof Tables] as Table<object>;

function insert(
  { tables }: StatementContext,
  part: RecordStatement,
  values: readonly unknown[],
  own?: (record: Record<string, unknown>, row: Record<string, unknown>) => void,
): void {
  const table = tableOf(tables, part);
  // All records are read before the first row is written, so a record that cannot be read is told before a row that does not fit.
  const rows = recordsOf(values[part.parameter]).map((record) => {
    const row = valuesOf(part.written, record);
    own?.(record, row);
    return row;
  });
  for (const row of rows) table.insert(row);
}

/** Rows that this statement itself inserts are not seen. */
function update(
  { tables }: StatementContext,
  part: RecordStatement,
  values: readonly unknown[],
): void {
  const table = tableOf(tables, part);
  const all = recordsOf(values[part.parameter]).map((record) => ({
    id: fromJson("uuid", record["id"]),
    changes: valuesOf(part.written, record),
  }));
  for (const { id, changes } of all) {
    const row = table.get(id);
    if (row) table.update(row, changes);
  }
}

const commitBatch: Handler = (context, values) => {
  const { tables, text } = context;
  const parts = partsOf(text);
  moveCursors(context, values);
  const sessions = recordsOf(values[at.sessions]);
  upsertSessions(context, sessions);
  resetSessions(context, sessions, recordsOf(values[at.agentSessions]));
  deleteSessions(context, sessions);
  insert(context, parts.dead, values);
  updateIssues(context, recordsOf(values[at.issues]));
  upsertRuntime(context, recordsOf(values[at.runtime]));
  updateAgents(context, recordsOf(values[at.agents]));
  insert(context, parts.newCosts, values, (record, row) => {
    if (record["runId"] === null || record["runId"] === undefined) return;
    const issue = tables.issues.get(row["issue_id"]);
    row["project_id"] = issue?.project_id ?? row["project_id"] ?? null;
  });
  insert(context, parts.newVerdicts, values);
  insert(context, parts.newEvents, values);
  update(context, parts.endedRuns, values);
  update(context, parts.changedRuns, values);
  insert(context, parts.newRuns, values);
  update(context, parts.changedWakes, values);
  insert(context, parts.newWakes, values);
  return answer([{ reveille_fence: "" }]);
};

/** Each cursor moves only where the epoch is the writer's and the cursor is where it left it; else nothing is written. */
function moveCursors({ tables }: StatementContext, values: readonly unknown[]): void {
  let moved = 0;
  for (const { partition, epoch, fromSeq, toSeq, toNs } of recordsOf(values[at.cursors])) {
    const row = tables.partitions.get(partition);
    if (row?.epoch !== epoch || row?.cursor_seq !== fromSeq) continue;
    tables.partitions.update(row!, { cursor_seq: Number(toSeq), cursor_ns: BigInt(String(toNs)) });
    moved += 1;
  }
  const expected = numberOf(values, at.moved);
  if (moved !== expected)
    throw new SqlError("RV001", `fenced: ${moved} of ${expected} cursors are still ours`);
}

const wasCommitted: Handler = ({ tables }, values) => {
  const row = tables.partitions.get(values[0]);
  if (row?.epoch !== numberOf(values, 1)) return answer([]);
  const moved =
    row.cursor_seq === numberOf(values, 2) && row.cursor_ns === BigInt(String(values[3]));
  return answer([{ moved }]);
};

export const commitHandlers: Record<string, Handler> = {
  commit_batch: commitBatch,
  was_committed: wasCommitted,
};
