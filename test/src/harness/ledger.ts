// Owns the judgement of the record when a system has come to rest: that of the checker, and no dead letter. Knows no rule itself.
import { existsSync } from "node:fs";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { violationTexts } from "@reveille/shared/verify/report";
import { verify } from "@reveille/shared/verify/verify";
import type pg from "pg";

export interface LedgerEvidence {
  /** As services are connected; without it streams and buckets are not judged. */
  bus?: NatsBus;
  /** A file that agents' processes wrote. */
  witnessFile?: string;
  /** The newest runs whose logs are compared; default none: some tests lose the stream of logs. */
  logs?: number;
}

/** What is wrong at rest; empty when all is well. What is on its way between Postgres and NATS has 20 s to arrive. */
export async function ledgerViolations(
  database: pg.Pool,
  { bus, witnessFile, logs = 0 }: LedgerEvidence = {},
): Promise<string[]> {
  const report = await verify({
    database,
    ...(bus ? { bus } : {}),
    ...(witnessFile && existsSync(witnessFile) ? { witness: [witnessFile] } : {}),
    atRest: true,
    logs,
  });
  const { rows } = await database.query<Record<string, unknown>>(
    "select kind, stage, reason from dead_letters limit 5",
  );
  return [
    ...violationTexts(report),
    ...rows.map((row) => `a dead letter, for example ${JSON.stringify(row)}`),
  ];
}

/** How far everything is: verdicts, open wakes, runs by phase, marks of owed locks. */
export async function progressOf(database: pg.Pool): Promise<{
  verdicts: number;
  openWakes: number;
  openRuns: number;
  owed: number;
  phases: Record<string, number>;
}> {
  const { rows } = await database.query(`select
    (select count(*)::int from wake_verdicts) as verdicts,
    (select count(*)::int from agent_wakeup_requests where finished_at is null) as "openWakes",
    (select count(*)::int from heartbeat_runs where phase <> 'over') as "openRuns",
    (select count(*)::int from heartbeat_runs where owes_release) + (select count(*)::int from agent_wakeup_requests where owes_release) as owed,
    (select coalesce(json_object_agg(phase, n), '{}') from (select phase || ' ' || status as phase, count(*)::int as n from heartbeat_runs group by 1) p) as phases`);
  return rows[0] as Awaited<ReturnType<typeof progressOf>>;
}
