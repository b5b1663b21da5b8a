/**
 * What Postgres keeps of costs and sessions, in the simplest way, and what has to be true of it at any
 * moment: a cost is written once, sums are what was written, and the state knows nothing else.
 */
import { invariant } from "@reveille/shared/errors";
import type { Session } from "@reveille/shared/protocol/session";
import type { Row } from "../decision.js";
import { sessionKey } from "../state.js";
import type { AgentState, Json } from "../state.js";

export interface Books {
  /** By id. */
  costs: Map<string, Json>;
  /** Micro-dollars by agent: the row of the agent, and its runtime totals. */
  spent: Map<string, number>;
  totals: Map<string, number>;
  /** The agent-wide session, by agent. */
  agentWide: Map<string, unknown>;
  /** By agent and session key. */
  sessions: Map<string, Session>;
}

export const createBooks = (): Books => ({
  costs: new Map(),
  spent: new Map(),
  totals: new Map(),
  agentWide: new Map(),
  sessions: new Map(),
});

export function keepBooks(books: Books, { table, op, row }: Row): void {
  switch (table) {
    case "costs": {
      const id = String(row["id"]);
      invariant(!books.costs.has(id), "a cost is written once", row);
      invariant(
        row["runId"] === null || ![...books.costs.values()].some(sameRun(row)),
        "a run has one cost",
        row,
      );
      return void books.costs.set(id, row);
    }
    case "agents":
      if (row["spentMonthlyMicros"] !== undefined)
        books.spent.set(row.id, Number(row["spentMonthlyMicros"]));
      return;
    case "runtimeStates": {
      const before = books.totals.get(row.agentId) ?? 0;
      books.totals.set(row.agentId, before + Number(row["costMicros"] ?? 0));
      return void books.agentWide.set(row.agentId, row["sessionId"]);
    }
    case "taskSessions": {
      const key = `${row.agentId} ${sessionKey(row.adapterType, row.taskKey)}`;
      if (op === "delete") return void books.sessions.delete(key);
      const { params, displayId } = row as unknown as Session;
      return void books.sessions.set(key, { params, displayId });
    }
    case "agentSessions":
      for (const key of books.sessions.keys())
        if (key.startsWith(`${row.agentId} `)) books.sessions.delete(key);
      return;
    case "wakes":
    case "runs":
    case "runEnds":
    case "events":
    case "verdicts":
    case "issues":
  }
}

const sameRun =
  (row: Json) =>
  (other: Json): boolean =>
    other["runId"] === row["runId"];

/** The state of an agent against what was written for it. */
export function checkBooks(books: Books, { agent, sessionId, taskSessions }: AgentState): void {
  let sum = 0;
  let ofRuns = 0;
  for (const cost of books.costs.values()) {
    if (cost["agentId"] !== agent.id) continue;
    sum += Number(cost["costMicros"]);
    if (cost["runId"] !== null) ofRuns += Number(cost["costMicros"]);
  }
  const figures = { sum, spent: books.spent.get(agent.id) ?? 0, state: agent.spend.micros };
  invariant(
    figures.spent === sum && figures.state === sum,
    "what is spent is what it cost",
    figures,
  );
  invariant((books.totals.get(agent.id) ?? 0) === ofRuns, "totals are the costs of runs", {
    ofRuns,
  });
  invariant((books.agentWide.get(agent.id) ?? null) === sessionId, "one agent-wide session");
  for (const [key, session] of taskSessions)
    invariant(
      JSON.stringify(books.sessions.get(`${agent.id} ${key}`) ?? null) === JSON.stringify(session),
      "the state knows the sessions that are written",
      { key, session },
    );
}
