/**
 * The rows of a batch, one entry per row: an insert and the updates that follow it in the same batch
 * become one insert, several updates one update, because one statement touches a row once.
 */
import type { Row } from "../core/decision.js";
import type { Json } from "../core/state.js";

export interface RowSet {
  add(row: Row): void;
  /** The JSON parameters of the commit statement, by table. */
  readonly tables: Readonly<Record<TableKey, readonly Json[]>>;
  readonly count: number;
}
export const tableKeys = [
  "newWakes",
  "wakes",
  "newRuns",
  "runs",
  "runEnds",
  "events",
  "verdicts",
  "costs",
  "agents",
  "runtimeStates",
  "issues",
  "deadLetters",
] as const;
export type TableKey = (typeof tableKeys)[number];

export function createRowSet(): RowSet & { addDeadLetter(row: Json): void } {
  const byId = {
    newWakes: new Map<string, Json>(),
    wakes: new Map<string, Json>(),
    newRuns: new Map<string, Json>(),
    runs: new Map<string, Json>(),
    runEnds: new Map<string, Json>(),
    agents: new Map<string, Json>(),
    runtimeStates: new Map<string, Json>(),
    issues: new Map<string, Json>(),
  };
  const lists = {
    events: [] as Json[],
    verdicts: [] as Json[],
    costs: [] as Json[],
    deadLetters: [] as Json[],
  };
  const merge = (map: Map<string, Json>, id: string, row: Json): void => {
    const known = map.get(id);
    if (known) Object.assign(known, row);
    else map.set(id, { ...row });
  };
  const update = (
    created: Map<string, Json>,
    changed: Map<string, Json>,
    id: string,
    row: Json,
  ): void => merge(created.has(id) ? created : changed, id, row);

  return {
    add(row) {
      switch (row.table) {
        case "wakes":
          if (row.op === "insert") byId.newWakes.set(row.row.id, { ...row.row });
          else update(byId.newWakes, byId.wakes, row.row.id, row.row);
          break;
        case "runs":
          if (row.op === "insert") byId.newRuns.set(row.row.id, { ...row.row });
          else if (byId.runEnds.has(row.row.id)) merge(byId.runEnds, row.row.id, row.row);
          else update(byId.newRuns, byId.runs, row.row.id, row.row);
          break;
        case "runEnds": {
          const live = byId.runs.get(row.row.id);
          byId.runs.delete(row.row.id);
          update(byId.newRuns, byId.runEnds, row.row.id, { ...live, ...row.row });
          break;
        }
        case "agents":
          merge(byId.agents, row.row.id, row.row);
          break;
        case "issues": {
          // The last word on an issue wins: a batch holds at most the hold and the end of one run.
          byId.issues.set(row.row.id, row.row);
          break;
        }
        case "runtimeStates":
          mergeRuntime(byId.runtimeStates, row.row);
          break;
        case "events":
        case "verdicts":
        case "costs":
          lists[row.table].push(row.row);
          break;
      }
    },
    addDeadLetter: (row) => void lists.deadLetters.push(row),
    get tables() {
      const rows = Object.fromEntries(
        Object.entries(byId).map(([key, map]) => [key, [...map.values()]]),
      );
      return { ...rows, ...lists } as Record<TableKey, Json[]>;
    },
    get count() {
      return (
        Object.values(byId).reduce((sum, map) => sum + map.size, 0) +
        Object.values(lists).reduce((sum, list) => sum + list.length, 0)
      );
    },
  };
}

const counters = ["inputTokens", "outputTokens", "cachedInputTokens", "costCents"] as const;

/** Totals are added up, everything else is replaced. */
function mergeRuntime(map: Map<string, Json>, row: Json & { agentId: string }): void {
  const known = map.get(row.agentId);
  if (!known) return void map.set(row.agentId, { ...row });
  const sums = Object.fromEntries(
    counters.map((key) => [key, Number(known[key] ?? 0) + Number(row[key] ?? 0)]),
  );
  Object.assign(known, row, sums);
}
