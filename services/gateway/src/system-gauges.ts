/**
 * The figures of the whole system that any gateway can tell: what waits in mailboxes and pools, and who is
 * there to do it. Read when somebody scrapes, and at most once in five seconds, whoever asks. Decides nothing.
 */
import type { NatsBus } from "@reveille/shared/nats/bus";
import { streamFacts } from "@reveille/shared/nats/stream-facts";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { Clock } from "@reveille/shared/runtime/clock";
import type { Logger } from "@reveille/shared/runtime/log";
import type { GaugeName } from "@reveille/shared/runtime/metrics-catalogue";
import type { Metrics, Sample } from "@reveille/shared/runtime/metrics";
import type { RunnerPools } from "./runner-pools.js";

export interface SystemGaugesContext {
  metrics: Metrics;
  pool: Sql;
  bus: NatsBus;
  /** Name of the mailbox stream. */
  mailbox: string;
  runnerPools: Pick<RunnerPools, "overview">;
  clock: Clock;
  logger: Logger;
}

/** Scalers ask every 15 to 30 s, people's dashboards more often; several of them at once are one look. */
const freshMs = 5_000;
/** What is counted row by row is counted so far: a figure beyond it says the same. */
const countedMax = 100_000;

/** Queued runs are counted apart: their number has no bound but a company's own, that of active ones is that of slots. */
const statement = {
  name: "system_gauges",
  text: `select
      (select count(*)::int from partitions p where not exists (
        select 1 from hosts h where h.id = p.owner and h.lease_until > clock_timestamp())) as unowned,
      (select count(*)::int from hosts where lease_until > clock_timestamp()) as hosts,
      (select count(*)::int from (select 1 from owed_wakes limit ${countedMax}) o) as owed,
      (select count(*)::int from partitions p, mailbox_state m
        where m.id = 1 and p.generation = m.generation and p.cursor_seq > 0) as sentinels,
      (select json_object_agg(a.phase, a.runs) from (
        select phase, count(*)::int as runs from heartbeat_runs where active or owes_release group by phase) a) as active,
      (select count(*)::int from (select 1 from heartbeat_runs where live and not active limit ${countedMax}) q) as queued`,
};

interface Row {
  unowned: number;
  hosts: number;
  owed: number;
  sentinels: number;
  active: Record<string, number> | null;
  queued: number;
}

const phases = ["waiting", "dispatched", "running", "cancelling"] as const;
const poolGauges = ["waiting", "running", "demand", "slots", "runners"] as const;

/** Registers them. One that cannot be read is missing from the scrape, and the log says why. */
export function registerSystemGauges(context: SystemGaugesContext): void {
  const { metrics, pool, bus, mailbox, runnerPools } = context;
  const rows = recent(context, "the database", async () => {
    const found = await pool.query<Row>({ ...statement, values: [] });
    return found.rows[0]!;
  });
  const stored = recent(context, "the mailbox stream", () => streamFacts(bus, mailbox));
  const pools = recent(context, "the pools", () => runnerPools.overview());

  const number = (name: GaugeName, of: (row: Row) => number): void =>
    metrics.read(name, async () => of(await rows()));
  number("reveille_partitions_unowned", ({ unowned }) => unowned);
  number("reveille_actor_hosts", ({ hosts }) => hosts);
  number("reveille_wakes_owed", ({ owed }) => owed);
  metrics.read("reveille_mailbox_lag_messages", async () => {
    const [facts, row] = await Promise.all([stored(), rows()]);
    // The message at each cursor is kept as a sentinel.
    return Math.max(0, (facts?.messages ?? 0) - row.sentinels);
  });
  metrics.read("reveille_runs_live", async () => {
    const { active, queued } = await rows();
    const counted = phases.map((phase) => ({ labels: { phase }, value: active?.[phase] ?? 0 }));
    return [{ labels: { phase: "queued" }, value: queued }, ...counted];
  });
  for (const figure of poolGauges)
    metrics.read(`reveille_pool_${figure}`, async () =>
      (await pools()).map((view): Sample => ({ labels: { pool: view.pool }, value: view[figure] })),
    );
}

/** What was read a moment ago, or is being read; else reads. */
function recent<T>(
  { clock, logger }: SystemGaugesContext,
  what: string,
  read: () => Promise<T>,
): () => Promise<T> {
  let known: Promise<T> | null = null;
  let readAt = Number.NEGATIVE_INFINITY;
  return () => {
    if (known && clock.monotonicMs() - readAt < freshMs) return known;
    readAt = clock.monotonicMs();
    known = read();
    known.catch((error: unknown) =>
      logger.warn({ err: error, what }, "a figure of the system cannot be read"),
    );
    return known;
  };
}
