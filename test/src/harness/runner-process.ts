// Owns a test's view of runner processes: which one has a run, which process is its guard, how much memory it takes, and the short
// leases with which fault tests run. Starts and kills nothing by itself.
import { readFileSync, readdirSync } from "node:fs";
import { openBucket } from "@reveille/shared/nats/bucket";
import { runnerLeaseSchema } from "@reveille/shared/protocol/execution";
import { onTestFinished } from "vitest";
import type { Cluster, ClusterOptions } from "./cluster.js";
import { until } from "./until.js";

/** Short enough for a test, in the proportions of the defaults: deadline below the lease, several renewals within it. */
export const runnerLeaseMs = 4_000;
export const guardDeadlineMs = 2_000;
export const runnerTiming: NodeJS.ProcessEnv = {
  REVEILLE_RUNNER_LEASE_TTL_MS: String(runnerLeaseMs),
  REVEILLE_RUNNER_LEASE_RENEW_MS: "300",
  REVEILLE_RUNNER_GUARD_DEADLINE_MS: String(guardDeadlineMs),
};
/** For `startCluster`: both sides must know the lease. */
export const shortRunnerLeases: NonNullable<ClusterOptions["env"]> = {
  "agent-actor": { REVEILLE_RUNNER_LEASE_TTL_MS: String(runnerLeaseMs) },
  runner: runnerTiming,
};

/** The pid of the runner that has the go for a run. */
export async function runnerOf(cluster: Cluster, wakeId: string): Promise<number> {
  const bucket = await openBucket(cluster.bus, "runner-leases");
  return until(
    `a runner has the run of ${wakeId}`,
    async () => {
      const [run] = await cluster.rows<{ incarnation: string | null }>(
        "select runner_incarnation as incarnation from heartbeat_runs where wake_id = $1 and phase = 'running'",
        [wakeId],
      );
      const lease = run?.incarnation ? await bucket.get(run.incarnation) : null;
      return lease
        ? runnerLeaseSchema.parse(JSON.parse(Buffer.from(lease.value).toString())).pid
        : undefined;
    },
    { describe: () => cluster.logs() },
  );
}

/** Wake ids of the runs that run under the same life of a runner as that of `wakeId`. */
export const besides = async (cluster: Cluster, wakeId: string): Promise<string[]> =>
  (
    await cluster.rows<{ wake_id: string }>(
      `select wake_id from heartbeat_runs where phase = 'running' and runner_incarnation =
        (select runner_incarnation from heartbeat_runs where wake_id = $1)`,
      [wakeId],
    )
  ).map(({ wake_id: id }) => id);

/** The guard that belongs to a runner now; undefined when it has none. */
export function guardOf(runnerPid: number): number | undefined {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const [parent, command] = [parentOf(name), read(`/proc/${name}/cmdline`)];
    if (parent === runnerPid && command.includes("guard-main")) return Number(name);
  }
  return undefined;
}

/** Whether a process is stopped (SIGSTOP), as the kernel says. */
export const isStopped = (pid: number): boolean => /^State:\s+T/m.test(read(`/proc/${pid}/status`));

/** Resident memory in MB; 0 when the process is gone. */
export const residentMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1_024;

/** Watches the memory of a process until the test is over; tells by how much it has grown at most, MB. */
export function watchMemory(pid: number): { grownMb(): number } {
  const before = residentMb(pid);
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, residentMb(pid))), 50);
  onTestFinished(() => clearInterval(watch));
  return { grownMb: () => peak - before };
}

const parentOf = (pid: string): number =>
  Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);

/** Empty when there is no such file any more. */
function read(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
