/** Postgres as doctor sees it, and what is written there: ownership, hosts, stuck runs, what is owed. */
import type { NatsBus } from "@reveille/shared/nats/bus";
import { firstStoredFrom } from "@reveille/shared/nats/inspection";
import { checkSchema } from "@reveille/shared/postgres/migrate";
import type { Pool } from "@reveille/shared/postgres/pool";
import type { Subjects } from "@reveille/shared/protocol/subjects";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { duration } from "../output.js";
import { readHosts, readMailboxState, readPartitions } from "../record.js";
import { fail, ok, warn } from "./check.js";
import type { Check } from "./check.js";

/** 14: the oldest release that its makers still mend in 2026. */
const versionFloor = 140_000;
/** A third of a host's lease (3 s): beyond it, times on rows and on messages visibly disagree. */
const skewWarnMs = 1_000;
/** A takeover takes some seconds; what has waited longer is not being decided. */
const lagWarnMs = 10_000;
/** From the task of `reveille doctor`: a dispatched run without its go for a minute. */
const stuckMs = 60_000;

export async function checkDatabase(pool: Pool): Promise<Check[]> {
  const before = Date.now();
  const { rows } = await pool.query<{ version: string; number: number; nowMs: number }>(
    `select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
            (extract(epoch from clock_timestamp()) * 1000)::float8 as "nowMs"`,
  );
  const row = rows[0]!;
  const skewMs = Math.round(row.nowMs - (before + Date.now()) / 2);
  const checks = [
    row.number < versionFloor
      ? warn("postgres version", row.version, "Move to Postgres 14 or newer.")
      : ok("postgres version", row.version),
    Math.abs(skewMs) > skewWarnMs
      ? warn(
          "clock",
          `this machine and Postgres differ by ${skewMs} ms`,
          "Run a time service (NTP) on both.",
        )
      : ok("clock", `${skewMs} ms between this machine and Postgres`),
  ];
  try {
    await checkSchema(pool);
    return [...checks, ok("postgres schema", "at this version")];
  } catch (error) {
    return [
      ...checks,
      fail("postgres schema", (error as Error).message, "Run `reveille migrate`."),
    ];
  }
}

export async function checkOwnership(pool: Pool): Promise<Check[]> {
  const hosts = await readHosts(pool);
  const live = hosts.filter((host) => host.leaseMs > 0);
  const partitions = await readPartitions(pool);
  const orphans = partitions.filter((row) => !live.some((host) => host.id === row.owner));
  const state = await readMailboxState(pool);
  return [
    live.length > 0
      ? ok("actor hosts", `${live.length} alive, ${hosts.length - live.length} expired`)
      : fail("actor hosts", "none alive", "Start an agent-actor; nothing is decided without one."),
    orphans.length === 0
      ? ok("partitions", `all ${partitions.length} have a live owner`)
      : fail(
          "partitions",
          `${orphans.length} of ${partitions.length} have no live owner (${orphans
            .slice(0, 8)
            .map((row) => row.partition)
            .join(", ")}${orphans.length > 8 ? ", ..." : ""})`,
          "Hosts take them over within their lease (3 s); if this stays, look at the agent-actors' log.",
        ),
    state?.keeperLive
      ? ok("topology keeper", state.keeper ?? "")
      : warn(
          "topology keeper",
          "nobody holds the post",
          "An agent-actor takes it; until then a wiped stream is not made anew.",
        ),
  ];
}

/** The oldest undecided message of each partition. */
export async function checkLag(bus: NatsBus, pool: Pool, subjects: Subjects): Promise<Check> {
  const name = "mailbox lag";
  const { mailbox } = topologyNames(subjects.prefix);
  const partitions = await readPartitions(pool);
  const waiting = await Promise.all(
    partitions.map(async ({ partition, cursorSeq }) => ({
      partition,
      cursorSeq,
      first: await firstStoredFrom(
        bus,
        mailbox,
        subjects.partitionFilter(partition),
        cursorSeq + 1,
      ),
    })),
  );
  const behind = waiting.filter(({ first }) => first !== null);
  if (behind.length === 0) return ok(name, "every cursor is at the end of its partition");
  const oldest = behind.reduce((a, b) => (a.first!.storedAtMs < b.first!.storedAtMs ? a : b));
  const ageMs = Math.max(0, Date.now() - oldest.first!.storedAtMs);
  const detail = `${behind.length} partitions have undecided messages; the oldest waits ${duration(ageMs)} (partition ${oldest.partition}, sequence ${oldest.first!.seq}, cursor ${oldest.cursorSeq})`;
  return ageMs < lagWarnMs
    ? ok(name, detail)
    : warn(
        name,
        detail,
        "Add agent-actor hosts; if one partition alone is behind, look at its owner's log.",
      );
}

export async function checkRuns(pool: Pool, pools: ReadonlySet<string>): Promise<Check[]> {
  const { rows: dispatched } = await pool.query<{ pool: string; n: number; oldestMs: number }>(
    `select pool, count(*)::int as n, (extract(epoch from now() - min(dispatched_at)) * 1000)::float8 as "oldestMs"
     from heartbeat_runs where phase = 'dispatched' group by pool order by pool`,
  );
  const lonely = dispatched.filter((row) => !pools.has(row.pool));
  const stuck = dispatched.filter((row) => pools.has(row.pool) && row.oldestMs > stuckMs);
  return [
    lonely.length === 0
      ? ok("runner pools", "every pool with waiting executions has a runner")
      : fail(
          "runner pools",
          lonely
            .map((row) => `${row.n} executions wait in pool ${row.pool}, which has no runner`)
            .join("; "),
          "Start a runner with REVEILLE_RUNNER_POOL set to that pool.",
        ),
    stuck.length === 0
      ? ok("stuck runs", `none dispatched for over ${stuckMs / 1000} s without a start`)
      : warn(
          "stuck runs",
          stuck
            .map(
              (row) =>
                `pool ${row.pool}: ${row.n} dispatched, the oldest ${duration(row.oldestMs)} ago`,
            )
            .join("; "),
          "All slots may be taken: add runners, or raise REVEILLE_RUNNER_SLOTS. `reveille runs --status running` shows who has them.",
        ),
  ];
}

export async function checkLeftBehind(pool: Pool): Promise<Check[]> {
  const { rows } = await pool.query<{ letters: number; newest: string | null; owed: number }>(
    `select (select count(*)::int from dead_letters) as letters, (select max(created_at)::text from dead_letters) as newest,
            (select count(*)::int from owed_wakes where created_at < now() - interval '30 seconds') as owed`,
  );
  const { letters, newest, owed } = rows[0]!;
  return [
    letters === 0
      ? ok("dead letters", "none")
      : warn(
          "dead letters",
          `${letters}, the newest from ${newest ?? "?"}`,
          "`reveille dead-letters` lists them with their reasons.",
        ),
    owed === 0
      ? ok("owed wakes", "none older than 30 s")
      : warn(
          "owed wakes",
          `${owed} older than 30 s`,
          "A gateway publishes them: is one running, and does it reach NATS?",
        ),
  ];
}
