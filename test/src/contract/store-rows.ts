// Owns random rows as decisions may write them: plausible by type and by what refers to what, with every hole that a nullable column may
// have. The same for the same seed. Knows no statement.
import type { Row } from "@reveille/agent-actor/core/decision";
import type { Json } from "@reveille/agent-actor/core/state";
import { RowSet } from "@reveille/agent-actor/shell/row-set";
import * as schema from "@reveille/shared/postgres/schema";
import type { Random } from "../simulation/machine/random.js";
import { columnsOf } from "../simulation/store/columns.js";
import type { Column } from "../simulation/store/columns.js";

const minuteMs = 60_000;
const dayMs = 86_400_000;
const columns = {
  wakes: columnsOf(schema.agentWakeupRequests),
  runs: columnsOf(schema.heartbeatRuns),
  events: columnsOf(schema.heartbeatRunEvents),
  verdicts: columnsOf(schema.wakeVerdicts),
  costs: columnsOf(schema.costEvents),
};
const texts = ["plain", "", "with 'quotes' and \\ and \"", "ÄÖ€😀", "line\nbreak", "\\u0000 spelt"];

/** What rows refer to; grows as rows are made. */
export interface Cast {
  companyId: string;
  /** A company without a limit. */
  otherId: string;
  agentIds: string[];
  issueIds: string[];
  projectIds: string[];
  runIds: string[];
  wakeIds: string[];
  wakeRequestIds: string[];
  costIds: string[];
  /** Idempotency keys and whose they are. */
  keys: { agentId: string; key: string }[];
}

export class RowMaker {
  readonly cast: Cast;
  readonly #random: Random;
  readonly #startMs: number;
  #count = 0;
  constructor(random: Random, cast: Cast, startMs: number) {
    this.#random = random;
    this.cast = cast;
    this.#startMs = startMs;
  }

  uuid(): string {
    const hex = (length: number): string =>
      Array.from({ length }, () => this.#random.below(16).toString(16)).join("");
    return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
  }
  /**
   * Some 3, 10, 17, … minutes before the test began, or (one in ten) as many days: never near an age that a statement asks about,
   * so that the ways of two clocks cannot matter.
   */
  pastMs(): number {
    const unit = this.#random.chance(0.1) ? dayMs : minuteMs;
    const ago = (this.#random.below(9) * 7 + 3) * unit + this.#random.below(minuteMs);
    return this.#startMs - ago;
  }
  json(depth = 0): Json {
    const value = (): unknown =>
      this.#random.pick<unknown>([1, 2.5, -3, "text", true, null, [], this.#random.pick(texts)]);
    return Object.fromEntries(
      Array.from({ length: this.#random.below(4) }, (_, at) => [
        this.#random.pick(["taskKey", "issueId", "a", "bb", `k${at}`]),
        depth < 2 && this.#random.chance(0.3) ? this.json(depth + 1) : value(),
      ]),
    );
  }
  #value({ key, type, notNull, absent }: Column): unknown {
    const { cast } = this;
    const random = this.#random;
    if (key === "companyId") return cast.companyId;
    if (key === "agentId") return random.pick(cast.agentIds);
    if (!notNull && random.chance(0.4)) return random.chance(0.5) ? null : undefined;
    // Absent where the statement itself has something in its place.
    if (notNull && absent.kind === "value" && (type === "boolean" || type === "integer"))
      if (random.chance(0.3)) return random.chance(0.5) ? null : undefined;
    if (key === "issueId") return random.pick(cast.issueIds);
    if (key === "projectId") return random.pick(cast.projectIds);
    if (key === "partition") return random.below(4);
    // Few, so that the order within one matters.
    if (key === "generation") return random.below(3);
    if (key === "taskKey") return random.pick(["task 1", "task 2"]);
    switch (type) {
      case "uuid":
        return random.chance(0.5) && cast.runIds.length > 0
          ? random.pick(cast.runIds)
          : this.uuid();
      case "text":
        return random.pick(texts);
      case "integer":
      case "bigint":
        return random.below(100_000);
      case "boolean":
        return random.chance(0.5);
      case "timestamptz":
        return new Date(this.pastMs()).toISOString();
      case "jsonb":
        return this.json();
      case "float8":
        return random.below(1_000) / 8;
    }
  }
  /** Every column that may be written, or some of them. */
  #record(of: readonly Column[], share = 1): Json {
    const chosen = of.filter(({ absent }) => absent.kind !== "next" && this.#random.chance(share));
    return Object.fromEntries(chosen.map((column) => [column.key, this.#value(column)]));
  }

  newWake(): Json & { id: string } {
    const wake = { ...this.#record(columns.wakes), id: this.uuid(), wakeId: this.uuid() };
    this.cast.wakeRequestIds.push(wake.id);
    return wake;
  }
  newRun(): Json & { id: string } {
    const run = { ...this.#record(columns.runs), id: this.uuid(), wakeId: this.uuid() };
    const phase = this.#random.pick(["queued", "waiting", "dispatched", "running", "cancelling"]);
    this.cast.runIds.push(run.id);
    // Few hold an issue, or two would in nearly every batch.
    return { ...run, phase, holdsIssue: this.#random.chance(0.1) };
  }
  changed(of: "runs" | "wakes", id: string): Json & { id: string } {
    const change = this.#record(columns[of], of === "runs" ? 1 : 0.5);
    const { partition: _, agentId: __, companyId: ___, ...rest } = change;
    return { ...rest, id, ...(of === "runs" ? { holdsIssue: this.#random.chance(0.1) } : {}) };
  }
  verdict(): Json {
    const wakeId = `wake ${(this.#count += 1)}`;
    this.cast.wakeIds.push(wakeId);
    const agentId = this.#random.pick(this.cast.agentIds);
    const key = this.#random.chance(0.4) ? `key ${this.#count}` : null;
    if (key !== null) this.cast.keys.push({ agentId, key });
    return { ...this.#record(columns.verdicts), agentId, wakeId, idempotencyKey: key };
  }
  event(): Json {
    const seq = (this.#count += 1);
    return { ...this.#record(columns.events), runId: this.#random.pick(this.cast.runIds), seq };
  }
  cost(): Json {
    const id = this.uuid();
    this.cast.costIds.push(id);
    return {
      ...this.#record(columns.costs),
      id,
      runId: this.#random.chance(0.7) ? this.uuid() : null,
    };
  }
  agentChange(): Json & { id: string } {
    const random = this.#random;
    const maybe = (fields: Json): Json => (random.chance(0.5) ? fields : {});
    const time = (): string | null =>
      random.chance(0.3) ? null : new Date(this.pastMs()).toISOString();
    const micros = random.below(100_000_000);
    return {
      id: random.pick(this.cast.agentIds),
      ...maybe({ status: random.pick(["idle", "running", "paused"]), name: random.pick(texts) }),
      ...maybe({ adapterType: "http", adapterConfig: this.json(), runtimeConfig: this.json() }),
      ...maybe({ lastHeartbeatAt: time() }),
      ...maybe({ timerChanged: true, nextTimerAt: time() }),
      ...maybe({ nextRetryAt: time(), retryChanged: random.chance(0.5) }),
      ...maybe({ budgetMonthlyCents: random.below(1_000) }),
      ...maybe({ spentMonthlyMicros: micros, spendMonth: this.month() }),
      ...maybe({
        pauseChanged: true,
        pauseReason: random.pick([null, "budget"]),
        pausedAt: time(),
      }),
      ...maybe({ failureChanged: true, failureCode: random.pick([null, "timeout"]) }),
      ...maybe({ profile: this.#profile() }),
    };
  }
  /** This month, or a month long ago. */
  month(): string {
    return this.#random.pick([new Date(this.#startMs).toISOString().slice(0, 7), "2020-01"]);
  }
  #profile(): Json {
    const random = this.#random;
    const all: Json = {
      role: "lead",
      title: random.pick([null, "title"]),
      icon: random.pick([null, "icon"]),
      reportsTo: random.pick([null, random.pick(this.cast.agentIds)]),
      capabilities: random.pick([null, "all"]),
      metadata: random.pick<unknown>([null, this.json()]),
      permissions: this.json(),
    };
    return Object.fromEntries(Object.entries(all).filter(() => random.chance(0.5)));
  }
  runtime(): Json & { agentId: string } {
    const random = this.#random;
    return {
      agentId: random.pick(this.cast.agentIds),
      companyId: this.cast.companyId,
      adapterType: random.pick(["process", "http"]),
      sessionId: random.pick([null, "session"]),
      ...(random.chance(0.5) ? { lastRunId: this.uuid(), lastRunStatus: "succeeded" } : {}),
      lastError: random.pick([null, "error"]),
      ...(random.chance(0.7) ? { inputTokens: random.below(1_000), outputTokens: 5 } : {}),
      ...(random.chance(0.7) ? { costMicros: random.below(1_000_000) } : {}),
      updatedAt: new Date(this.pastMs()).toISOString(),
    };
  }
  issueChange(): Json & { id: string } {
    const random = this.#random;
    const id = random.pick(this.cast.issueIds);
    const runId = random.pick(this.cast.runIds);
    if (random.chance(0.4)) return { id, endedRunId: runId };
    return {
      id,
      executionRunId: runId,
      executionAgentNameKey: random.pick(texts),
      executionLockedAtMs: this.pastMs(),
    };
  }
  session(): Extract<Row, { table: "taskSessions" }>["row"] {
    const random = this.#random;
    return {
      agentId: random.pick(this.cast.agentIds),
      companyId: this.cast.companyId,
      adapterType: random.pick(["process", "http"]),
      taskKey: random.pick(["task 1", "task 2"]),
      params: random.pick([null, this.json()]),
      displayId: random.pick([null, "shown"]),
      lastRunId: this.uuid(),
      lastError: random.pick([null, "error"]),
      updatedAt: new Date(this.pastMs()).toISOString(),
    };
  }

  /** A batch of some rows of each table. */
  batch(): RowSet {
    const rows = new RowSet();
    const random = this.#random;
    const some = (most: number, add: () => void): void => {
      for (let left = random.below(most + 1); left > 0; left -= 1) add();
    };
    const known = (ids: readonly string[]): string =>
      ids.length > 0 ? random.pick(ids) : this.uuid();
    const { cast } = this;
    some(2, () =>
      rows.add({ table: "runs", op: "update", row: this.changed("runs", known(cast.runIds)) }),
    );
    some(2, () =>
      rows.add({
        table: "runEnds",
        op: "update",
        row: { ...this.changed("runs", known(cast.runIds)), holdsIssue: false },
      }),
    );
    some(2, () =>
      rows.add({
        table: "wakes",
        op: "update",
        row: this.changed("wakes", known(cast.wakeRequestIds)),
      }),
    );
    some(3, () => rows.add({ table: "wakes", op: "insert", row: this.newWake() }));
    some(3, () => rows.add({ table: "runs", op: "insert", row: this.newRun() }));
    some(3, () => rows.add({ table: "verdicts", op: "insert", row: this.verdict() }));
    if (cast.runIds.length > 0) {
      some(4, () => rows.add({ table: "events", op: "insert", row: this.event() }));
      some(2, () => rows.add({ table: "issues", op: "update", row: this.issueChange() }));
    }
    some(2, () => rows.add({ table: "costs", op: "insert", row: this.cost() }));
    some(2, () => rows.add({ table: "agents", op: "update", row: this.agentChange() }));
    some(2, () => rows.add({ table: "runtimeStates", op: "upsert", row: this.runtime() }));
    some(1, () =>
      rows.add({
        table: "agentSessions",
        op: "delete",
        row: { agentId: random.pick(cast.agentIds), companyId: cast.companyId },
      }),
    );
    some(3, () =>
      rows.add({
        table: "taskSessions",
        op: random.pick(["upsert", "delete"]),
        row: this.session(),
      }),
    );
    some(1, () =>
      rows.addDeadLetter({
        companyId: cast.companyId,
        agentId: random.pick([null, random.pick(cast.agentIds)]),
        partition: 1,
        generation: 1,
        streamSeq: (this.#count += 1),
        kind: "wake",
        stage: "decode",
        reason: random.pick(texts),
      }),
    );
    return rows;
  }
}
