/**
 * The rows of a batch, one entry per row: an insert and the updates that follow it in the same batch
 * become one insert, several updates one update, because one statement touches a row once.
 */
import type { Row } from "../core/decision.js";
import type { Json } from "../core/state.js";

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
  "taskSessions",
  "agentSessions",
] as const;
export type TableKey = (typeof tableKeys)[number];

export class RowSet {
  readonly #byId = {
    newWakes: new Map<string, Json>(),
    wakes: new Map<string, Json>(),
    newRuns: new Map<string, Json>(),
    runs: new Map<string, Json>(),
    runEnds: new Map<string, Json>(),
    agents: new Map<string, Json>(),
    runtimeStates: new Map<string, Json>(),
    issues: new Map<string, Json>(),
    taskSessions: new Map<string, Json>(),
    agentSessions: new Map<string, Json>(),
  };
  readonly #lists = {
    events: [] as Json[],
    verdicts: [] as Json[],
    costs: [] as Json[],
    deadLetters: [] as Json[],
  };

  /** The rows by table: the JSON parameters of the commit statement. */
  get tables(): Readonly<Record<TableKey, readonly Json[]>> {
    const rows = Object.fromEntries(
      Object.entries(this.#byId).map(([key, map]) => [key, [...map.values()]]),
    );
    return { ...rows, ...this.#lists } as Record<TableKey, Json[]>;
  }
  /** What is counted when it is committed. */
  get verdicts(): readonly Json[] {
    return this.#lists.verdicts;
  }
  get deadLetters(): readonly Json[] {
    return this.#lists.deadLetters;
  }
  addDeadLetter(row: Json): void {
    this.#lists.deadLetters.push(row);
  }
  add(row: Row): void {
    const maps = this.#byId;
    switch (row.table) {
      case "wakes":
        if (row.op === "insert") maps.newWakes.set(row.row.id, { ...row.row });
        else update(maps.newWakes, maps.wakes, row.row);
        return;
      case "runs":
        this.#addRun(row.op, row.row);
        return;
      case "runEnds":
        this.#endRun(row.row);
        return;
      case "agents":
        mergeAgent(maps.agents, row.row);
        return;
      case "taskSessions":
        maps.taskSessions.set(
          `${row.row.agentId} ${row.row.adapterType} ${row.row.taskKey}`,
          row.op === "delete" ? { ...row.row, gone: true } : row.row,
        );
        return;
      case "agentSessions":
        // What the batch said of single sessions before is over; what it says later stands beside it.
        for (const [key, session] of maps.taskSessions)
          if (session["agentId"] === row.row.agentId) maps.taskSessions.delete(key);
        maps.agentSessions.set(row.row.agentId, row.row);
        return;
      case "issues":
        // The last word on an issue wins: a batch holds at most the hold and the end of one run.
        maps.issues.set(row.row.id, row.row);
        return;
      case "runtimeStates":
        mergeRuntime(maps.runtimeStates, row.row);
        return;
      case "events":
      case "verdicts":
      case "costs":
        this.#lists[row.table].push(row.row);
    }
  }

  #addRun(op: "insert" | "update", row: Json & { id: string }): void {
    const { newRuns, runs, runEnds } = this.#byId;
    if (op === "insert") newRuns.set(row.id, { ...row });
    else if (runEnds.has(row.id)) merge(runEnds, row.id, row);
    else update(newRuns, runs, row);
  }
  #endRun(row: Json & { id: string }): void {
    const { newRuns, runs, runEnds } = this.#byId;
    const live = runs.get(row.id);
    runs.delete(row.id);
    update(newRuns, runEnds, { ...live, ...row });
  }
}

function merge(map: Map<string, Json>, id: string, row: Json): void {
  const known = map.get(id);
  if (known) Object.assign(known, row);
  else map.set(id, { ...row });
}
/** Changes what the same batch created, else the row that is there. */
const update = (
  created: Map<string, Json>,
  changed: Map<string, Json>,
  row: Json & { id: string },
): void => merge(created.has(row.id) ? created : changed, row.id, row);

/** The profile is a patch of several columns: a later one adds to it. */
function mergeAgent(map: Map<string, Json>, row: Json & { id: string }): void {
  const profile = { ...asJson(map.get(row.id)?.["profile"]), ...asJson(row["profile"]) };
  merge(map, row.id, Object.keys(profile).length > 0 ? { ...row, profile } : row);
}
const asJson = (value: unknown): Json => (value ?? {}) as Json;

const counters = ["inputTokens", "outputTokens", "cachedInputTokens", "costMicros"] as const;

/** Totals are added up, everything else is replaced. */
function mergeRuntime(map: Map<string, Json>, row: Json & { agentId: string }): void {
  const known = map.get(row.agentId);
  if (!known) return void map.set(row.agentId, { ...row });
  const sums = Object.fromEntries(
    counters.map((key) => [key, Number(known[key] ?? 0) + Number(row[key] ?? 0)]),
  );
  Object.assign(known, row, sums);
}
