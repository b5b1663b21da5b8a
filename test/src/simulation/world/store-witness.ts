// Owns the watch over the simulated store: it stands between hosts and store, sees every statement and shows the books what it changed,
// at the instant at which it is committed. Looks at touched rows alone, so that it can look after every step.
import type { Statement } from "@reveille/shared/postgres/pool";
import type { Answer, SimStore } from "../store/store.js";
import { AgentBook } from "./agent-book.js";
import { CursorBook } from "./cursor-book.js";
import type { CursorMove } from "./cursor-book.js";
import type { Findings } from "./findings.js";
import { ProcessBook } from "./process-book.js";
import { RunBook } from "./run-book.js";
import type { Trace } from "./trace.js";
import { WakeBook } from "./wake-book.js";

/** Where the tables of a batch are among the parameters of `commit_batch`, as the shell's `tableKeys` order them. */
const at = {
  newWakes: 0,
  wakes: 1,
  newRuns: 2,
  runs: 3,
  runEnds: 4,
  events: 5,
  costs: 7,
  agents: 8,
  issues: 10,
  cursors: 14,
};

type Records = Record<string, unknown>[];

export class StoreWitness {
  readonly runs: RunBook;
  readonly wakes: WakeBook;
  readonly agents: AgentBook;
  readonly processes: ProcessBook;
  readonly #cursors: CursorBook;
  readonly #store: SimStore;
  readonly #findings: Findings;
  readonly #trace: Trace;
  readonly #nowMs: () => number;
  /** The stream was replaced or went back: places in it are no order of time any more. */
  orderIsBroken = false;
  /** Called when a statement of a process was carried out, whatever came of it. */
  readonly onStatement = new Set<(who: string, statement: string) => void>();
  /** The last place of a wake of each agent. */
  readonly #places = new Map<string, number>();

  constructor(store: SimStore, findings: Findings, trace: Trace, nowMs: () => number) {
    this.#store = store;
    this.#findings = findings;
    this.#trace = trace;
    this.#nowMs = nowMs;
    this.agents = new AgentBook(findings, store.tables);
    this.processes = new ProcessBook(findings, (agentId) => this.agents.largestLimit(agentId));
    this.runs = new RunBook(findings, this.processes);
    this.wakes = new WakeBook(findings, store.tables);
    this.#cursors = new CursorBook(findings);
  }

  /** Carries the statement out for a process and judges what it did. @throws what the store throws. */
  execute(who: string, statement: Statement): Answer {
    const batch = statement.name === "commit_batch" ? readBatch(statement.values ?? []) : null;
    const before = batch?.cursors.map(({ partition }) =>
      this.#store.tables.partitions.get(partition),
    );
    try {
      const answer = this.#store.execute(statement);
      this.#trace.note(
        this.#nowMs(),
        who,
        statement.name,
        batch ? String(statement.values?.[at.cursors]) : `${answer.rowCount}`,
      );
      if (batch) {
        for (const [index, move] of batch.cursors.entries())
          this.#cursors.committed(move, before![index], who);
        this.#committed(batch, who);
      }
      return answer;
    } catch (error) {
      this.#trace.note(this.#nowMs(), who, `${statement.name} failed:`, (error as Error).message);
      throw error;
    } finally {
      for (const call of this.onStatement) call(who, statement.name);
    }
  }

  #committed(batch: Batch, who: string): void {
    const { tables } = this.#store;
    const agentIds = new Set<string>();
    const issueIds = new Set<string>();
    for (const cost of batch.costs)
      this.agents.cost(
        text(cost["agentId"]),
        Number(cost["costMicros"] ?? 0),
        typeof cost["runId"] === "string",
      );
    for (const event of batch.events) {
      this.runs.event(event as unknown as Parameters<RunBook["event"]>[0]);
    }
    for (const id of batch.runIds) {
      const run = tables.heartbeat_runs.get(id);
      if (!run) continue;
      this.#trace.note(
        this.#nowMs(),
        who,
        "  run",
        `${run.id} ${run.status} ${run.phase} ${run.attempt}`,
      );
      this.runs.changed(run, tables.agents.get(run.agent_id));
      agentIds.add(run.agent_id);
      if (run.issue_id !== null) issueIds.add(run.issue_id);
    }
    for (const id of batch.wakeIds) {
      const wake = tables.agent_wakeup_requests.get(id);
      if (wake) this.wakes.changed(wake);
    }
    for (const id of batch.agentIds) agentIds.add(id);
    for (const id of batch.issueIds) issueIds.add(id);
    for (const id of agentIds) this.agents.changed(id, batch.configured.has(id));
    for (const id of issueIds) this.agents.issue(id);
    if (!this.orderIsBroken) this.#inOrder(batch.newWakes);
  }

  /** Wakes of one agent are decided in the order of the stream (G5). */
  #inOrder(wakes: Records): void {
    const first = new Map(this.#places);
    for (const wake of wakes) {
      const agentId = text(wake["agentId"]);
      const place = Number(wake["streamSeq"]);
      const last = first.get(agentId) ?? 0;
      this.#findings.hold(
        place > last,
        "G5",
        () => `wake ${text(wake["wakeId"])} at ${place} is decided after ${last}`,
      );
      this.#places.set(agentId, Math.max(place, this.#places.get(agentId) ?? 0));
    }
  }
}

interface Batch {
  newWakes: Records;
  events: Records;
  costs: Records;
  runIds: readonly string[];
  wakeIds: readonly string[];
  agentIds: readonly string[];
  issueIds: readonly string[];
  /** Agents whose configuration it writes. */
  configured: ReadonlySet<string>;
  cursors: readonly CursorMove[];
}

function readBatch(values: readonly unknown[]): Batch {
  const records = (place: number): Records => {
    const json = values[place] as string;
    return json === "[]" ? [] : (JSON.parse(json) as Records);
  };
  const ids = (...places: number[]): string[] =>
    places.flatMap((place) => records(place).map(idOf));
  const newWakes = records(at.newWakes);
  const agents = records(at.agents);
  return {
    newWakes,
    events: records(at.events),
    costs: records(at.costs),
    runIds: ids(at.newRuns, at.runs, at.runEnds),
    wakeIds: [...newWakes.map(idOf), ...ids(at.wakes)],
    agentIds: agents.map(idOf),
    configured: new Set(agents.filter((agent) => "runtimeConfig" in agent).map(idOf)),
    issueIds: ids(at.issues),
    cursors: records(at.cursors) as unknown as CursorMove[],
  };
}
const idOf = (record: Record<string, unknown>): string => text(record["id"]);
const text = (value: unknown): string => String(value);
