/** I25: nothing is left over: sessions of Postgres that wait in a transaction, consumers, runs in leases of runners. */
import { openBucket } from "../../nats/bucket.js";
import { inspectStream } from "../../nats/inspection.js";
import { runnerLeaseSchema } from "../../protocol/execution.js";
import type { Check } from "../check.js";
import { rowCheck } from "../check.js";
import type { Evidence } from "../evidence.js";
import type { Shown } from "../report.js";
import { settled } from "../settled.js";
import type { Look } from "../settled.js";

/** Readers of a partition that were given up keep their consumer for a minute. */
const consumersPerPartition = 2;

async function fewConsumers(evidence: Evidence): Promise<Look> {
  const { bus, names } = evidence.streams!;
  const [state] = await evidence.ask<{ n: number }>(
    "select partition_count as n from mailbox_state where id = 1",
  );
  const stream = await inspectStream(bus, names.mailbox);
  const most = (state?.n ?? 0) * consumersPerPartition;
  const { consumers = 0 } = stream ?? {};
  return {
    looked: consumers,
    wrong: new Map(
      consumers > most ? [[names.mailbox, { stream: names.mailbox, consumers, most }]] : [],
    ),
  };
}

/** A runner says in its lease which claims it has; each is the claim of a run that Postgres shows at work. */
async function leasesAgree(evidence: Evidence): Promise<Look> {
  const { bus, names } = evidence.streams!;
  const bucket = await openBucket(bus, names.runnerLeases);
  const claims: { runnerId: string; runId: string; attempt: number; claimId: string }[] = [];
  for (const key of await bucket.keys()) {
    const entry = await bucket.get(key);
    if (!entry) continue;
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
    title: "the mailbox has no more consumers than its partitions need",
    unit: "consumers",
    needs: ["streams"],
    stage: "settling",
    run: (evidence) => settled(evidence, () => fewConsumers(evidence)),
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
