/**
 * The checker: judges a whole system by its rows, its streams and what was written down outside of it. It changes nothing and takes no
 * locks, so it may run beside a live system; what can only be judged when nothing is under way is left out there.
 *
 * Rows are read in one snapshot first. What lies in Postgres and NATS together is looked at afterwards, again and again until it
 * agrees or the time to settle is over.
 */
import { uptime } from "node:os";
import type { NatsBus } from "../nats/bus.js";
import { createPool } from "../postgres/pool.js";
import type { Pool } from "../postgres/pool.js";
import { createSubjects } from "../protocol/subjects.js";
import { topologyNames } from "../protocol/topology.js";
import { systemClock } from "../runtime/clock.js";
import { EvidenceError } from "../evidence/ndjson.js";
import type { Check, Need } from "./check.js";
import { catalogue } from "./catalogue.js";
import { canaryCharactersMin } from "./checks/canaries.js";
import { enoughToJudge } from "./checks/enough.js";
import type { Evidence, LostSpan } from "./evidence.js";
import { indexHistory } from "./history-index.js";
import type { CheckReport, InvariantId, VerifyReport } from "./report.js";
import { withSnapshot } from "./snapshot.js";
import type { Snapshot } from "./snapshot.js";
import { indexWitness } from "./witness-index.js";

export interface VerifyOptions {
  /** A URL, or a pool, which stays open. */
  database: string | Pool;
  /** With the services' own rights; without it streams and buckets are not looked at. */
  bus?: NatsBus;
  /** Of subjects and streams; `rv` by default. */
  prefix?: string;
  /** Files of shared/src/evidence/history.ts. */
  history?: readonly string[];
  /** Files of shared/src/evidence/witness.ts, written on this machine since it was booted. */
  witness?: readonly string[];
  /** Secret values that must be found nowhere, 8 characters or more. */
  canaries?: readonly string[];
  /** Nothing may be under way any more: what is open is a violation. */
  atRest?: boolean;
  /** How long a difference between Postgres and NATS may last. 20 s by default: a lease of a host, and reconciling twice. */
  settleMs?: number;
  /** The newest runs whose logs are read, 200 by default; Infinity: all. */
  logs?: number;
  /** When stored messages were lost that the store does not know of, as when it was rolled back: logs from within are not looked at. */
  lostSpans?: readonly LostSpan[];
  /** Rows shown of one violation, 5 by default. */
  rows?: number;
  /** So many runs must have succeeded (and so many things must be in each file that was given), or there was nothing to judge. */
  require?: number;
  /** Only these. */
  only?: ReadonlySet<InvariantId>;
  /** Of one statement; 60 s by default. */
  statementTimeoutMs?: number;
}

/** Differences that are looked at again at most: beyond it the first ones are. */
const candidatesMax = 10_000;

/**
 * @throws RuntimeError `StoreUnavailable` when Postgres is not there, EvidenceError when a file is not evidence. What else goes wrong makes
 * the check that met it `unchecked`.
 */
export async function verify(options: VerifyOptions): Promise<VerifyReport> {
  const statementTimeoutMs = options.statementTimeoutMs ?? 60_000;
  const own =
    typeof options.database === "string"
      ? createPool({ url: options.database, name: "reveille-verify", size: 3, statementTimeoutMs })
      : undefined;
  const pool = own ?? (options.database as Pool);
  try {
    const evidence = await gather(options, pool, statementTimeoutMs);
    const wanted = [...catalogue, enoughToJudge(options.require ?? 0)].filter(
      ({ invariant }) => options.only?.has(invariant) ?? true,
    );
    const checks = await withSnapshot(pool, statementTimeoutMs, async (snapshot) => {
      const given = await needsMet(evidence, snapshot);
      const reports: CheckReport[] = [];
      for (const check of wanted)
        if (check.stage === "snapshot")
          reports.push(await report(check, { ...evidence, snapshot }, given));
      return { reports, given };
    });
    const settling = await Promise.all(
      wanted
        .filter(({ stage }) => stage === "settling")
        .map((check) => report(check, evidence as Evidence, checks.given)),
    );
    return summarize([...checks.reports, ...settling], evidence.atRest);
  } finally {
    await own?.end();
  }
}

async function gather(
  options: VerifyOptions,
  pool: Pool,
  statementTimeoutMs: number,
): Promise<Omit<Evidence, "snapshot">> {
  const { bus, history, witness, canaries, prefix = "rv" } = options;
  if (canaries?.some((value) => value.length < canaryCharactersMin))
    throw new EvidenceError(`a canary has fewer than ${canaryCharactersMin} characters`);
  const wallOffsetMs = Date.now() - uptime() * 1_000;
  return {
    ask: async (sql, values = []) => {
      const client = await pool.connect();
      let broken: Error | undefined;
      try {
        await client.query(`begin read only; set local statement_timeout = ${statementTimeoutMs}`);
        return (await client.query(sql, [...values])).rows as never;
      } finally {
        await client.query("rollback").catch((error: Error) => (broken = error));
        client.release(broken);
      }
    },
    ...(bus
      ? { streams: { bus, subjects: createSubjects(prefix), names: topologyNames(prefix) } }
      : {}),
    ...(history?.length ? { history: await indexHistory(history) } : {}),
    ...(witness?.length ? { witness: await indexWitness(witness, wallOffsetMs) } : {}),
    ...(canaries?.length ? { canaries } : {}),
    atRest: options.atRest ?? false,
    settleMs: options.settleMs ?? 20_000,
    rowsMax: options.rows ?? 5,
    candidatesMax,
    logsMax: options.logs ?? 200,
    lostSpans: options.lostSpans ?? [],
    clock: systemClock,
  };
}

async function needsMet(
  evidence: Omit<Evidence, "snapshot">,
  snapshot: Snapshot,
): Promise<ReadonlySet<Need>> {
  const met = new Set<Need>(["rows"]);
  for (const need of ["streams", "history", "witness", "canaries"] as const)
    if (evidence[need]) met.add(need);
  if (await snapshot.has("run_transitions")) met.add("recorder");
  return met;
}

async function report(
  check: Check,
  evidence: Evidence,
  given: ReadonlySet<Need>,
): Promise<CheckReport> {
  const { invariant, title, unit } = check;
  const began = evidence.clock.monotonicMs();
  const nothing = { looked: 0, violations: 0, rows: [] };
  const missing = check.needs.find((need) => !given.has(need));
  const skip = missing ?? (check.atRest && !evidence.atRest ? "rest" : undefined);
  if (skip) return { ...nothing, invariant, title, unit, status: "skipped", reason: skip, ms: 0 };
  const done = (part: Pick<CheckReport, "status" | "reason"> & Partial<CheckReport>) => ({
    ...nothing,
    invariant,
    title,
    unit,
    ms: Math.round(evidence.clock.monotonicMs() - began),
    ...part,
  });
  try {
    const run = () => check.run(evidence);
    const found = await (check.stage === "snapshot" ? evidence.snapshot.apart(run) : run());
    const status = found.violations > 0 ? "violated" : "clean";
    return done({ ...found, status, reason: null });
  } catch (error) {
    return done({ status: "unchecked", reason: (error as Error).message });
  }
}

function summarize(checks: CheckReport[], atRest: boolean): VerifyReport {
  const has = (status: string): boolean => checks.some((check) => check.status === status);
  const order = (check: CheckReport): number => Number(check.invariant.slice(1));
  return {
    verdict: has("violated") ? "violated" : has("unchecked") ? "unchecked" : "clean",
    atRest,
    checks: checks.sort((one, other) => order(one) - order(other)),
  };
}
