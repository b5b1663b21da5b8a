/**
 * How many live runs a company has, for the bound on its backlog. Counted for the companies that are
 * active here, in the background: a decision sees a figure of a second ago, never waits for one.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";

export interface CompanyRuns {
  /** The last figure; 0 until there is one. Asking makes the company active. */
  count(companyId: string): number;
  /** Counts the companies that were asked about since the last call. @throws RuntimeError `StoreUnavailable`. */
  refresh(): Promise<void>;
}

export function createCompanyRuns(pool: Pool): CompanyRuns {
  let counts = new Map<string, number>();
  const asked = new Set<string>();
  return {
    count: (companyId) => {
      asked.add(companyId);
      return counts.get(companyId) ?? 0;
    },
    refresh: async () => {
      if (asked.size === 0) return;
      const companyIds = [...asked];
      asked.clear();
      const found = await guarded("count runs", () =>
        pool.query<{ id: string; n: string }>({
          name: "company_runs",
          text: "select company_id as id, count(*) as n from heartbeat_runs where live and company_id = any($1::uuid[]) group by 1",
          values: [companyIds],
        }),
      );
      counts = new Map(found.rows.map((row) => [row.id, Number(row.n)]));
    },
  };
}
