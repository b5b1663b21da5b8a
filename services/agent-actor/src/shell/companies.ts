/**
 * What decisions need to know of a company: its gate, its budget, what it spent, how many live runs it
 * has. Read before the first decision for a company, then once a second in the background for those
 * that are active here: a decision sees facts of a second ago and never waits for them.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";
import type { CompanyFacts } from "../core/delivery.js";

export interface Companies {
  /** The last facts. Asking makes the company active. */
  facts(companyId: string): CompanyFacts;
  /** Reads those of the companies that are not known yet. @throws RuntimeError `StoreUnavailable`. */
  know(companyIds: Iterable<string>): Promise<void>;
  /** Reads the companies that were asked about since the last call. @throws RuntimeError `StoreUnavailable`. */
  refresh(): Promise<void>;
}

/** A company that does not exist has no agents either: what it would say is never used. */
const unknown: CompanyFacts = {
  status: "active",
  liveRuns: 0,
  budgetMonthlyCents: 0,
  spentMicros: 0,
};

/** What is spent is summed over agents, each written by its actor alone, and only where there is a limit. */
const statement = {
  name: "company_facts",
  text: `select c.id, c.status, c.budget_monthly_cents as "budgetMonthlyCents",
      (select count(*) from heartbeat_runs r where r.live and r.company_id = c.id)::float8 as "liveRuns",
      case when c.budget_monthly_cents > 0 then (select coalesce(sum(a.spent_monthly_micros), 0) from agents a
        where a.company_id = c.id and a.spend_month = to_char(now() at time zone 'utc', 'YYYY-MM')) else 0 end::float8
        as "spentMicros"
    from companies c where c.id = any($1::uuid[])`,
};

export function createCompanies(pool: Sql): Companies {
  let known = new Map<string, CompanyFacts>();
  const asked = new Set<string>();
  const read = async (companyIds: readonly string[]): Promise<Map<string, CompanyFacts>> => {
    const found = await guarded("read companies", () =>
      pool.query<CompanyFacts & { id: string }>({ ...statement, values: [companyIds] }),
    );
    return new Map(found.rows.map(({ id, ...facts }) => [id, facts]));
  };
  return {
    facts: (companyId) => {
      asked.add(companyId);
      return known.get(companyId) ?? unknown;
    },
    know: async (companyIds) => {
      const missing = [...new Set(companyIds)].filter((id) => !known.has(id));
      if (missing.length === 0) return;
      for (const [id, facts] of await read(missing)) known.set(id, facts);
      // Asked about until the next refresh, which drops what nobody asks about any more.
      for (const id of missing) asked.add(id);
    },
    refresh: async () => {
      if (asked.size === 0) {
        known = new Map();
        return;
      }
      const companyIds = [...asked];
      asked.clear();
      known = await read(companyIds);
    },
  };
}
