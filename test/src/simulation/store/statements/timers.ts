// Owns the statement that reads which timers of agents are due soon.
import type { Handler } from "../store.js";
import { toDriver } from "../value.js";
import { answer, listOf, numberOf, sorted } from "./parameters.js";

const dueTimers: Handler = ({ tables, nowMs }, values) => {
  const partitions = new Set(listOf<number>(values, 0));
  const before = nowMs + numberOf(values, 1);
  const due = (timer: string, column: "next_timer_at" | "next_retry_at"): object[] => {
    const agents = tables.agents.where(
      (row) =>
        partitions.has(row.partition) &&
        row.deleted_at === null &&
        (row[column] ?? before) < before,
    );
    return sorted(agents, (row) => row[column]!)
      .slice(0, numberOf(values, 2))
      .map(({ id, company_id, [column]: at }) => ({
        id,
        company_id,
        timer,
        due_at: toDriver("timestamptz", at),
      }));
  };
  return answer([...due("heartbeat", "next_timer_at"), ...due("retry", "next_retry_at")]);
};

export const timerHandlers: Record<string, Handler> = { due_timers: dueTimers };
