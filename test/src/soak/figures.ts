// Owns the figures of a soak: throughput undisturbed and between faults, and how long the system took to go on after each kind of fault. Reads
// rows when everything is over. Judges nothing.
import type pg from "pg";
import type { SentWake } from "./askers.js";
import type { Caused, Course, Span } from "./nemesis.js";

export interface Throughput {
  seconds: number;
  runs: number;
  /** Runs that ended, a second. */
  rate: number;
}
export interface Recovery {
  kind: string;
  times: number;
  p50Ms: number;
  maxMs: number;
  /** Of those that were alone in their period; null: none was. */
  maxAloneMs: number | null;
}

export async function throughputOf(database: pg.Pool, spans: readonly Span[]): Promise<Throughput> {
  const { rows } = await database.query<{ n: number }>(
    `select count(*)::int as n from heartbeat_runs r join unnest($1::float8[], $2::float8[]) as x(began, ended)
      on r.finished_at >= to_timestamp(x.began / 1000) and r.finished_at < to_timestamp(x.ended / 1000)`,
    [spans.map(({ from }) => from), spans.map(({ to }) => to)],
  );
  const seconds = spans.reduce((sum, { from, to }) => sum + (to - from) / 1_000, 0);
  const runs = rows[0]!.n;
  return { seconds, runs, rate: seconds > 0 ? runs / seconds : 0 };
}

interface Waited {
  from: number;
  to: number;
}

/** A wake that took longer than this waited for something: undisturbed it takes 10 to 50 ms. */
const slowMs = 1_000;
/** What comes later is no longer of this fault. */
const afterMs = 20_000;

/**
 * A fault is recovered from when whatever waited because of it goes on: the last slow wake that was sent from its beginning to 5 s behind
 * its clearing has its verdict, and, for runners, the last attempt that was lost is known to be lost.
 */
export async function recoveriesOf(
  database: pg.Pool,
  { faults }: Course,
  sent: readonly SentWake[],
): Promise<Recovery[]> {
  const verdicts = await verdictsOf(database, sent);
  const losses = await lossesOf(database);
  const byKind = new Map<string, { fault: Caused; ms: number }[]>();
  for (const fault of faults) {
    const waited = fault.victim === "runner" ? [...verdicts, ...losses] : verdicts;
    const last = waited
      .filter(
        ({ from, to }) =>
          from >= fault.beganAt - slowMs &&
          from <= fault.clearedAt + 5_000 &&
          to - fault.clearedAt < afterMs,
      )
      .reduce((latest, { to }) => Math.max(latest, to), fault.clearedAt);
    byKind.set(fault.kind, [
      ...(byKind.get(fault.kind) ?? []),
      { fault, ms: last - fault.clearedAt },
    ]);
  }
  return [...byKind].map(([kind, found]) => {
    const times = found.map(({ ms }) => ms).toSorted((one, other) => one - other);
    const alone = found.filter(({ fault }) => fault.alone).map(({ ms }) => ms);
    return {
      kind,
      times: times.length,
      p50Ms: times[Math.floor((times.length - 1) / 2)]!,
      maxMs: times.at(-1)!,
      maxAloneMs: alone.length > 0 ? Math.max(...alone) : null,
    };
  });
}

/** Sent and decided, of those that waited. */
async function verdictsOf(database: pg.Pool, sent: readonly SentWake[]): Promise<Waited[]> {
  const { rows } = await database.query<Waited>(
    // By the recorder: rows have the time at which the stream had the wake.
    `select x.at as "from", extract(epoch from t.at)::float8 * 1000 as "to"
      from unnest($1::uuid[], $2::text[], $3::float8[]) as x(agent, wake, at)
      join agent_wakeup_requests w on w.agent_id = x.agent and w.wake_id = x.wake
      join run_transitions t on t.what = 'wake' and t.subject_id = w.id and t.status_from is null
      where extract(epoch from t.at) * 1000 - x.at > $4`,
    [
      sent.map(({ agentId }) => agentId),
      sent.map(({ wakeId }) => wakeId),
      sent.map(({ sentAt }) => sentAt),
      slowMs,
    ],
  );
  return rows;
}

/** When attempts were given up, by the recorder: it is known from the moment at which it is written. */
async function lossesOf(database: pg.Pool): Promise<Waited[]> {
  const { rows } = await database.query<{ at: number }>(
    `select extract(epoch from at)::float8 * 1000 as at from run_transitions
      where what = 'run' and phase_from = 'running' and phase_to in ('queued', 'dispatched', 'waiting')`,
  );
  // They began with the fault, whenever that was.
  return rows.map(({ at }) => ({ from: at - slowMs, to: at }));
}
