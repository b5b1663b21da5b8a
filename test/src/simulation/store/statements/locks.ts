// Owns the statements on who holds an issue, and on marks of locks that were passed on.
import type { Handler } from "../store.js";
import { answer, changed, listOf, numberOf } from "./parameters.js";

const holderAlive: Handler = ({ tables }, values) => {
  const [runId, issueId, requestId] = values;
  const [partition, generation, sequence] = [3, 4, 5].map((at) => numberOf(values, at)) as [
    number,
    number,
    number,
  ];
  const run = tables.heartbeat_runs.get(runId);
  const wake = tables.agent_wakeup_requests.get(requestId);
  const row = tables.partitions.get(partition);
  const alive =
    (run?.issue_id === issueId && (run?.holds_issue || run?.phase === "waiting")) ||
    (wake?.issue_id === issueId && wake?.waits) ||
    (row !== undefined &&
      (row.generation < generation ||
        (row.generation === generation && row.cursor_seq < sequence)));
  return answer([{ alive: alive === true }]);
};

const holder: Handler = ({ tables }, values) =>
  answer(
    tables.heartbeat_runs.by("runs_issue_holder", values[0]).map((row) => ({
      runId: row.id,
      requestId: row.wakeup_request_id,
      companyId: row.company_id,
      agentId: row.agent_id,
      partition: row.partition,
      generation: row.generation,
      sequence: row.stream_seq,
      // Seconds as a floating number and back, as the statement does: not always a whole number.
      requestedAtMs: (row.created_at / 1000) * 1000,
    })),
  );

const settleReleases: Handler = ({ tables }, values) => {
  for (const id of new Set(listOf<string>(values, 1))) {
    const wake = tables.agent_wakeup_requests.get(id);
    if (wake) tables.agent_wakeup_requests.update(wake, { owes_release: false });
  }
  let settled = 0;
  for (const id of new Set(listOf<string>(values, 0))) {
    const run = tables.heartbeat_runs.get(id);
    if (!run) continue;
    tables.heartbeat_runs.update(run, { owes_release: false });
    settled += 1;
  }
  return changed(settled);
};

export const lockHandlers: Record<string, Handler> = {
  lock_holder_alive: holderAlive,
  lock_holder: holder,
  settle_releases: settleReleases,
};
