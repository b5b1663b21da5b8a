/** I5: one process start for each attempt, none without a go, none while the attempt before it lives. */
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import type { Found, Shown } from "../report.js";
import type { Evidence } from "../evidence.js";
import { overlapCheck } from "../witness-sweep.js";
import { lookUp } from "../look-up.js";
import { attemptKey } from "../witness-index.js";

interface Run {
  id: string;
  companyId: string;
  agentId: string;
  issueId: string | null;
  attempt: number;
  started: boolean;
}

const runsSql = `select id, company_id as "companyId", agent_id as "agentId", issue_id as "issueId", attempt,
  started_at is not null as started from heartbeat_runs where id = any($1::uuid[])`;

/** Agents that are gone take their runs with them: their witnesses are not asked about rows. */
const gone = `select id from agents where id = any($1::uuid[]) and deleted_at is null`;

async function startsAgreeWithRows({ witness, snapshot, rowsMax }: Evidence): Promise<Found> {
  const attempts = [...witness!.attempts.values()].filter(({ starts }) => starts.length > 0);
  const runs = await lookUp<Run>(snapshot, runsSql, new Set(attempts.map(({ runId }) => runId)));
  const known = await lookUp<{ id: string }>(
    snapshot,
    gone,
    new Set(attempts.map(({ agentId }) => agentId)),
  );
  const wrong: Shown[] = [];
  for (const { runId, attempt, agentId, companyId, issueId, starts } of attempts) {
    const run = runs.get(runId);
    const says = (fault: string): void =>
      void wrong.push({ runId, attempt, agentId, fault, attempts: run?.attempt ?? null });
    if (starts.length > 1) says(`started ${starts.length} times`);
    if (!run) {
      if (known.has(agentId)) says("there is no such run");
    } else if (!run.started) says("started without a go");
    else if (attempt > run.attempt) says("the run has no such attempt");
    else if (run.agentId !== agentId || run.companyId !== companyId || run.issueId !== issueId)
      says("agent, company or issue are not those of the run");
  }
  return { looked: attempts.length, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

async function nextAfterPrevious({ witness, rowsMax }: Evidence): Promise<Found> {
  const wrong: Shown[] = [];
  let looked = 0;
  for (const { runId, attempt, starts } of witness!.attempts.values()) {
    const before = witness!.attempts.get(attemptKey({ runId, attempt: attempt - 1 }));
    const first = starts[0];
    if (!before || !first) continue;
    looked += 1;
    // Of one millisecond nobody can say which came first.
    if (before.lastBootMs > first.bootMs)
      wrong.push({
        runId,
        attempt,
        startedBootMs: first.bootMs,
        previousWroteBootMs: before.lastBootMs,
      });
  }
  return { looked, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

export const startChecks: readonly Check[] = [
  rowCheck({
    invariant: "I5",
    title: "a run has one attempt more than it has lost and handed back",
    unit: "runs",
    population: "heartbeat_runs",
    // Only where there is a difference do events have to explain it: each attempt that was handed back has left one.
    violating: `select id as "runId", status, phase, attempt, losses from heartbeat_runs r
      where attempt < 0 or losses < 0 or (attempt = 0 and losses > 0) or (attempt > 0 and attempt <> losses + 1
        and attempt - 1 - losses <> (select count(*) from heartbeat_run_events e
          where e.run_id = r.id and e.message like 'attempt % handed back: %'))`,
  }),
  {
    invariant: "I5",
    title: "each attempt was started once, and with a go",
    unit: "witnessed starts",
    needs: ["witness"],
    stage: "snapshot",
    run: startsAgreeWithRows,
  },
  {
    invariant: "I5",
    title: "an attempt starts when the one before it is silent",
    unit: "repeated attempts",
    needs: ["witness"],
    stage: "snapshot",
    run: nextAfterPrevious,
  },
  overlapCheck("I5", "run", "no process met another attempt of its run"),
];
