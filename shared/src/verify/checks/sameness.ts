/** I16: one idempotency key, one run (with its retries). */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import type { Evidence } from "../evidence.js";
import type { Found, Shown } from "../report.js";

/** Every retry with each run before it in its chain. */
const chains = `with recursive chain(id, ancestor) as (
    select id, retry_of_run_id from heartbeat_runs where retry_of_run_id is not null
    union all select c.id, r.retry_of_run_id from chain c join heartbeat_runs r on r.id = c.ancestor where r.retry_of_run_id is not null)`;

async function keysInHistory({ history, rowsMax }: Evidence): Promise<Found> {
  const runs = new Map<string, { runId: string; id: string }>();
  const wrong: Shown[] = [];
  let looked = 0;
  for (const { op, phase, agentId, idempotencyKey, runId, id } of history!.operations) {
    if (op !== "wake" || phase !== "ok" || !agentId || !idempotencyKey || !runId) continue;
    looked += 1;
    const key = `${agentId} ${idempotencyKey}`;
    const first = runs.get(key);
    if (!first) runs.set(key, { runId, id });
    else if (first.runId !== runId)
      wrong.push({
        agentId,
        idempotencyKey,
        runId,
        otherRunId: first.runId,
        asked: [first.id, id],
      });
  }
  return { looked, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

export const samenessChecks: readonly Check[] = [
  rowCheck({
    invariant: "I16",
    title: "requests with one idempotency key have one run",
    unit: "owned keys",
    population: "wake_verdicts where idempotency_key is not null",
    // A key is remembered as long as its first verdict; what came before that had another owner.
    violating: `${chains} select w.agent_id as "agentId", w.idempotency_key as "idempotencyKey", w.id as "wakeRow", w.run_id as "runId", v.run_id as "firstRunId"
      from wake_verdicts v join agent_wakeup_requests w
        on w.agent_id = v.agent_id and w.idempotency_key = v.idempotency_key and w.requested_at >= v.created_at
      where v.run_id is not null and w.run_id is not null and w.run_id <> v.run_id
        and not exists (select 1 from chain c where c.id = w.run_id and c.ancestor = v.run_id)`,
  }),
  {
    invariant: "I16",
    title: "who repeats a key is told the same run",
    unit: "answers with a key and a run",
    needs: ["history"],
    stage: "snapshot",
    run: keysInHistory,
  },
];
