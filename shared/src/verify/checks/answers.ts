/** I3, I8, by a history: what was taken on exists and ends, what was refused does not, and who was cancelled is silent. */
import type { Check } from "../check.js";
import type { Evidence } from "../evidence.js";
import type { Operation } from "../history-index.js";
import { lookUp, pieces } from "../look-up.js";
import type { Found, Shown } from "../report.js";
import { over } from "../words.js";

/** 7 days, less an hour: what is older may have been forgotten. */
const keptMs = (7 * 24 - 1) * 3_600_000;

interface WakeFacts {
  agentId: string;
  wakeId: string;
  outcome: string | null;
  status: string | null;
}

async function wakesOf(
  { snapshot }: Evidence,
  operations: readonly Operation[],
): Promise<Map<string, WakeFacts>> {
  const found = new Map<string, WakeFacts>();
  for (const part of pieces(operations)) {
    const rows = await snapshot.query<WakeFacts>(
      `select x.agent as "agentId", x.wake as "wakeId", v.verdict ->> 'outcome' as outcome, w.status
       from unnest($1::uuid[], $2::text[]) as x(agent, wake)
       left join wake_verdicts v on v.agent_id = x.agent and v.wake_id = x.wake
       left join agent_wakeup_requests w on w.id = (v.verdict ->> 'requestId')::uuid`,
      [part.map(({ agentId }) => agentId), part.map(({ wakeId }) => wakeId)],
    );
    for (const row of rows) found.set(`${row.agentId} ${row.wakeId}`, row);
  }
  return found;
}

async function answersStand(evidence: Evidence): Promise<Found> {
  const { history, atRest, clock, rowsMax } = evidence;
  const after = clock.wallMs() - keptMs;
  const wakes = history!.operations.filter(
    ({ op, agentId, wakeId, at }) => op === "wake" && agentId && wakeId && at > after,
  );
  const known = await wakesOf(evidence, wakes);
  const wrong: Shown[] = [];
  for (const { phase, agentId, wakeId, outcome, at } of wakes) {
    const facts = known.get(`${agentId} ${wakeId}`);
    const verdict = facts?.outcome ?? null;
    const says = (fault: string): void =>
      void wrong.push({ agentId, wakeId, at, told: outcome ?? phase, verdict, fault });
    if (phase === "fail" && verdict !== null && verdict !== "rejected")
      says("was refused, and exists");
    if (phase !== "ok") continue;
    // Told to be decided later: until it is, nothing of it is in Postgres.
    if (verdict === null && (atRest || (outcome !== undefined && outcome !== "accepted")))
      says("was taken on, and nothing is known of it");
    else if (verdict !== null && outcome && outcome !== "accepted" && outcome !== verdict)
      says("was told another outcome");
    else if (atRest && facts?.status && openStatuses.has(facts.status))
      says(`is ${facts.status} at rest`);
  }
  return { looked: wakes.length, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

/** Statuses of wakes that are not over. */
const openStatuses: ReadonlySet<string> = new Set([
  "queued",
  "claimed",
  "deferred_issue_execution",
]);

async function cancelledRunsEnd({ history, snapshot, rowsMax }: Evidence): Promise<Found> {
  const cancels = history!.operations.filter(
    ({ op, phase, runId }) => op === "cancel" && phase === "ok" && runId,
  );
  const runs = await lookUp<{ id: string; status: string; phase: string; isOver: boolean }>(
    snapshot,
    `select id, status, phase, status in ${over} as "isOver" from heartbeat_runs where id = any($1::uuid[])`,
    new Set(cancels.map(({ runId }) => runId!)),
  );
  const wrong = cancels.flatMap(({ runId, at }): Shown[] => {
    const run = runs.get(runId!);
    return run && !run.isOver
      ? [{ runId, cancelledAt: new Date(at).toISOString(), status: run.status, phase: run.phase }]
      : [];
  });
  return { looked: cancels.length, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

/** Two clocks, and the kernel. What a command needs from Postgres to the runner, faults included, is the time to settle. */
const slackMs = 1_000;
/** As runners read it: `graceSec` of the configuration, 15 s when there is none, 1 s at least. */
const graceSql = `select r.id, (case when jsonb_typeof(a.adapter_config -> 'graceSec') = 'number'
    then greatest(1, (a.adapter_config ->> 'graceSec')::float8) else 15 end) * 1000 as "graceMs"
  from heartbeat_runs r join agents a on a.id = r.agent_id where r.id = any($1::uuid[])`;

async function cancelledAreSilent(evidence: Evidence): Promise<Found> {
  const { history, witness, snapshot, settleMs, rowsMax } = evidence;
  const cancels = history!.operations.filter(
    ({ op, phase, runId }) => op === "cancel" && phase === "ok" && runId,
  );
  const graces = await lookUp<{ id: string; graceMs: number }>(
    snapshot,
    graceSql,
    new Set(cancels.map(({ runId }) => runId!)),
  );
  const lastMs = new Map<string, number>();
  for (const { runId, lastBootMs } of witness!.attempts.values())
    lastMs.set(runId, Math.max(lastMs.get(runId) ?? 0, lastBootMs + witness!.wallOffsetMs));
  const wrong = cancels.flatMap(({ runId, at }): Shown[] => {
    const last = lastMs.get(runId!);
    const graceMs = graces.get(runId!)?.graceMs;
    return last !== undefined && graceMs !== undefined && last > at + graceMs + settleMs + slackMs
      ? [{ runId, graceMs, cancelledAt: new Date(at), wroteAt: new Date(last) }]
      : [];
  });
  return { looked: cancels.length, violations: wrong.length, rows: wrong.slice(0, rowsMax) };
}

export const answerChecks: readonly Check[] = [
  {
    invariant: "I3",
    title: "what was answered of a wake is so",
    unit: "wakes of the history",
    needs: ["history"],
    stage: "snapshot",
    run: answersStand,
  },
  {
    invariant: "I8",
    title: "a cancelled run is over at rest",
    unit: "cancels of the history",
    needs: ["history"],
    atRest: true,
    stage: "snapshot",
    run: cancelledRunsEnd,
  },
  {
    invariant: "I8",
    title: "no process of a cancelled run writes after the grace",
    unit: "cancels of the history",
    needs: ["history", "witness"],
    stage: "snapshot",
    run: cancelledAreSilent,
  },
];
