/** I21: things happen in the order in which they follow from each other. Times are those of the mailbox's stream. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import type { Evidence } from "../evidence.js";
import { lookUp } from "../look-up.js";
import type { Found, Shown } from "../report.js";

/** A second: the clocks of the stream and of the machine that wrote, and how exactly one is converted to the other. */
const toleranceMs = 1_000;

async function witnessedTimes({ witness, snapshot, rowsMax }: Evidence): Promise<Found> {
  const { attempts, wallOffsetMs } = witness!;
  const all = [...attempts.values()];
  const runs = await lookUp<{ id: string; startedMs: number | null; finishedMs: number | null }>(
    snapshot,
    `select id, (extract(epoch from started_at) * 1000)::float8 as "startedMs", (extract(epoch from finished_at) * 1000)::float8 as "finishedMs"
      from heartbeat_runs where id = any($1::uuid[])`,
    new Set(all.map(({ runId }) => runId)),
  );
  const wrong: Shown[] = [];
  for (const { runId, attempt, starts, lastBootMs } of all) {
    const run = runs.get(runId);
    if (!run) continue;
    const beganMs = starts[0] && starts[0].bootMs + wallOffsetMs;
    const lastMs = lastBootMs + wallOffsetMs;
    const show = (fault: string, ms: number): void =>
      void wrong.push({ runId, attempt, fault, at: new Date(ms).toISOString() });
    if (beganMs !== undefined && run.startedMs !== null && beganMs < run.startedMs - toleranceMs)
      show("a process began before the go", beganMs);
    if (run.finishedMs !== null && lastMs > run.finishedMs + toleranceMs)
      show("a process wrote after the end", lastMs);
  }
  return { looked: all.length, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

export const timeChecks: readonly Check[] = [
  rowCheck({
    invariant: "I21",
    title: "a wake is asked for, claimed and over in this order",
    unit: "wakes",
    population: "agent_wakeup_requests",
    violating: `select id as "wakeRow", status, requested_at as "requestedAt", claimed_at as "claimedAt", finished_at as "finishedAt"
      from agent_wakeup_requests where claimed_at < requested_at or finished_at < greatest(requested_at, claimed_at)`,
  }),
  rowCheck({
    invariant: "I21",
    title: "a run is made, started and over in this order, and not before its wake",
    unit: "runs",
    population: "heartbeat_runs",
    violating: `select r.id as "runId", r.status, w.requested_at as "requestedAt", r.created_at as "createdAt", r.started_at as "startedAt", r.finished_at as "finishedAt"
      from heartbeat_runs r left join agent_wakeup_requests w on w.id = r.wakeup_request_id
      where r.created_at < w.requested_at or r.started_at < r.created_at or r.finished_at < greatest(r.created_at, r.started_at, r.cancel_requested_at)`,
  }),
  {
    invariant: "I21",
    title: "processes live between the go and the end of their run",
    unit: "witnessed attempts",
    needs: ["witness"],
    stage: "snapshot",
    run: witnessedTimes,
  },
];
