// Owns what a test can see of who owns the partitions: read from Postgres, which alone decides it.
import type { Cluster } from "./cluster.js";
import { until } from "./until.js";

export interface Ownership {
  /** Hosts that own something. */
  owners: string[];
  /** Partitions that nobody owns. */
  free: number;
  /** Raised by one with every change of an owner. */
  epochs: number;
}

export async function ownershipOf(cluster: Cluster): Promise<Ownership> {
  const [found] = await cluster.rows<Ownership>(
    `select coalesce(array_agg(distinct owner::text) filter (where owner is not null), '{}') as owners,
      count(*) filter (where owner is null)::int as free, sum(epoch)::float8 as epochs from partitions`,
  );
  return found!;
}

/** Resolves when exactly so many hosts own everything. */
export function ownedBy(cluster: Cluster, hosts: number, timeoutMs = 20_000): Promise<Ownership> {
  return until(
    `${hosts} hosts own everything`,
    async () => {
      const found = await ownershipOf(cluster);
      return found.owners.length === hosts && found.free === 0 ? found : undefined;
    },
    { timeoutMs, describe: () => ownershipOf(cluster) },
  );
}
