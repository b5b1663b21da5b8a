/** Runners as doctor sees them: who is alive, with how many slots, and how their processes are held together. */
import { openBucket } from "@reveille/shared/nats/bucket";
import type { NatsBus } from "@reveille/shared/nats/bus";
import { runnerLeaseSchema } from "@reveille/shared/protocol/execution";
import type { RunnerLease } from "@reveille/shared/protocol/execution";
import { topologyNames } from "@reveille/shared/protocol/topology";
import { fail, ok, warn } from "./check.js";
import type { Check } from "./check.js";

/** The leases that stand now. */
export async function readRunnerLeases(bus: NatsBus, prefix: string): Promise<RunnerLease[]> {
  const bucket = await openBucket(bus, topologyNames(prefix).runnerLeases);
  const keys = await bucket.keys();
  const entries = await Promise.all(keys.map((key) => bucket.get(key)));
  return entries.flatMap((entry) => {
    const lease =
      entry && runnerLeaseSchema.safeParse(JSON.parse(Buffer.from(entry.value).toString()));
    return lease?.success ? [lease.data] : [];
  });
}

export function checkRunners(leases: readonly RunnerLease[]): Check[] {
  if (leases.length === 0)
    return [
      fail("runners", "none has a lease", "Start a runner; runs wait as dispatched until then."),
    ];
  const slots = leases.reduce((sum, lease) => sum + lease.slots, 0);
  const taken = leases.reduce((sum, lease) => sum + lease.runs.length, 0);
  const draining = leases.filter((lease) => lease.draining).length;
  const loose = leases.filter((lease) => lease.containment === "best_effort");
  const names = (some: readonly RunnerLease[]): string =>
    some.map((lease) => `${lease.runnerId} (pid ${lease.pid})`).join(", ");
  return [
    ok(
      "runners",
      `${leases.length} alive (${names(leases)}), ${taken} of ${slots} slots taken${draining ? `, ${draining} draining` : ""}`,
    ),
    loose.length === 0
      ? ok("containment", "process trees are held in cgroups")
      : warn(
          "containment",
          `best effort on ${names(loose)}: no cgroup could be made there`,
          "A process that hides from its group can outlive its run. Give the runner a writable cgroup v2 folder (systemd: Delegate=yes).",
        ),
  ];
}
