// Owns the statement that reads what is under way and what is owed, older than an age, page by page.
import type { Handler } from "../store.js";
import { toDriver } from "../value.js";
import { answer, listOf, numberOf, sorted, textOf } from "./parameters.js";

/** As many as the statement's own limit. */
const rowsMax = 2_000;

const reconcileRows: Handler = ({ tables, nowMs }, values) => {
  const before = nowMs - numberOf(values, 1);
  const after = textOf(values, 2);
  const old = ({ id, updated_at }: { id: string; updated_at: number }): boolean =>
    updated_at < before && id > after;
  const rows = [...new Set(listOf<number>(values, 0))].flatMap((number) => {
    const partition = tables.partitions.get(number);
    if (!partition) return [];
    const cursor = {
      cursor_generation: partition.generation,
      cursor_seq: toDriver("bigint", partition.cursor_seq),
    };
    const runs = tables.heartbeat_runs.by("owed", number).filter(old);
    const wakes = tables.agent_wakeup_requests.by("owed", number).filter(old);
    return [
      ...runs.map((row) => ({ ...tables.heartbeat_runs.pick(row, ...runColumns), ...cursor })),
      ...wakes.map((row) => ({
        ...tables.agent_wakeup_requests.pick(row, ...wakeColumns),
        ...ofWake,
        wakeup_request_id: row.id,
        created_at: toDriver("timestamptz", row.requested_at),
        ...cursor,
      })),
    ];
  });
  return answer(sorted(rows, ({ id }) => String(id)).slice(0, rowsMax));
};

const wakeColumns = [
  "id",
  "company_id",
  "agent_id",
  "issue_id",
  "owes_release",
  "wake_id",
  "partition",
  "generation",
  "stream_seq",
  "traceparent",
] as const;
const runColumns = [
  ...wakeColumns,
  "phase",
  "attempt",
  "claim_id",
  "runner_incarnation",
  "cancel_reason",
  "finish_requested",
  "holds_issue",
  "wakeup_request_id",
  "created_at",
] as const;
/** What a waiting wake shows in columns that only runs have. */
const ofWake = {
  phase: "deferred",
  attempt: 0,
  claim_id: null,
  runner_incarnation: null,
  cancel_reason: null,
  finish_requested: false,
  holds_issue: false,
};

export const reconcileHandlers: Record<string, Handler> = { reconcile_rows: reconcileRows };
