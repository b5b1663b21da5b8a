/** I25: nothing is left over: sessions of Postgres that wait in a transaction, consumers, runs in leases of runners. */
import { openBucket } from "../../nats/bucket.js";
import { firstStoredFrom, inspectReaders } from "../../nats/inspection.js";
import { runnerLeaseSchema } from "../../protocol/execution.js";
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import type { Evidence } from "../evidence.js";
import type { Shown } from "../report.js";
import { settled } from "../settled.js";
import type { Look } from "../settled.js";

/** What reads a mailbox or replays a log asks to be forgotten after a minute at most; five are no reader of ours. */
const unusedMsMax = 5 * 60_000;
/** Two renewals of a runner's lease: whoever missed these is dead, and its lease goes by itself. */
const staleMs = 10_000;

async function consumersGo({ streams }: Evidence): Promise<Look> {
  const { bus, names } = streams!;
  let looked = 0;
  const wrong = new Map<string, Shown>();
  for (const stream of [names.mailbox, names.logs])
    for (const { name, created, unusedMs } of await inspectReaders(bus, stream)) {
      looked += 1;
      if (unusedMs === null || unusedMs > unusedMsMax)
        wrong.set(`${stream} ${name}`, { stream, consumer: name, created, unusedMs });
    }
  return { looked, wrong };
}

/** A runner says in its lease which claims it has; each is the claim of a run that Postgres shows at work. */
async function leasesAgree(evidence: Evidence): Promise<Look> {
  const { bus, names } = evidence.streams!;
  const bucket = await openBucket(bus, names.runnerLeases);
  const claims: { runnerId: string; runId: string; attempt: number; claimId: string }[] = [];
  for (const key of await bucket.keys()) {
    const entry = await bucket.get(key);
    if (!entry) continue;
    const stored = await firstStoredFrom(
      bus,
      `KV_${names.runnerLeases}`,
      `$KV.${names.runnerLeases}.${key}`,
      entry.revision,
    );
    if (!stored || evidence.clock.wallMs() - stored.storedAtMs > staleMs) continue;
    const lease = runnerLeaseSchema.safeParse(JSON.parse(Buffer.from(entry.value).toString()));
    if (lease.success)
      claims.push(...lease.data.runs.map((run) => ({ ...run, runnerId: lease.data.runnerId })));
  }
  const rows = await evidence.ask<{ id: string; claimId: string | null; phase: string }>(
    `select id, claim_id as "claimId", phase from heartbeat_runs where id = any($1::uuid[])`,
    [claims.map(({ runId }) => runId)],
  );
  const runs = new Map(rows.map((row) => [row.id, row]));
  const wrong = new Map<string, Shown>();
  for (const claim of claims) {
    const run = runs.get(claim.runId);
    const current = run?.claimId === claim.claimId && run.phase !== "over";
    // Asked for and not yet given: the run is dispatched, and has no claim.
    const asking = run?.phase === "dispatched" && run.claimId === null;
    if (!current && !asking)
      wrong.set(claim.claimId, { ...claim, phase: run?.phase ?? "unknown", rowHas: run?.claimId });
  }
  return { looked: claims.length, wrong };
}

export const leftoverChecks: readonly Check[] = [
  rowCheck({
    invariant: "I25",
    title: "no session waits in an open transaction",
    unit: "sessions",
    population: "pg_stat_activity where datname = current_database()",
    // 10 s: hosts' sessions are told to give up after 2 s.
    violating: `select pid, application_name as application, state, state_change as since, left(query, 200) as query from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'
        and state_change < now() - interval '10 seconds'`,
  }),
  {
    invariant: "I25",
    title: "who reads mailboxes and logs leaves no consumer behind",
    unit: "consumers",
    needs: ["streams"],
    stage: "settling",
    run: (evidence) => settled(evidence, () => consumersGo(evidence)),
  },
  {
    invariant: "I25",
    title: "what a runner's lease names is its run in Postgres",
    unit: "claims in leases",
    needs: ["streams"],
    stage: "settling",
    run: (evidence) => settled(evidence, () => leasesAgree(evidence)),
  },
];
