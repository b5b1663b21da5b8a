/** A company as the API shows it: its row, with what it spent this month counted from its agents. */
import { rowSchema } from "@reveille/shared/postgres/row-schema";
import type { Pool } from "@reveille/shared/postgres/pool";
import { companies } from "@reveille/shared/postgres/schema";
import { currentMonth } from "./agent-view.js";

export const companySchema = rowSchema(companies);
type CompanyRow = typeof companies.$inferSelect;

/** Micro-dollars to whole cents, as costs are rounded everywhere. */
export const centsOf = (micros: number): number => Math.round(micros / 10_000);

/** Micro-dollars by company that its agents spent this month; exact, and absent where nothing was spent. */
export async function spentThisMonth(
  pool: Pool,
  companyIds: readonly string[],
): Promise<Map<string, number>> {
  const found = await pool.query<{ id: string; micros: number }>(
    `select company_id as id, sum(spent_monthly_micros)::float8 as micros from agents
     where company_id = any($1::uuid[]) and spend_month = $2 group by company_id`,
    [companyIds, currentMonth()],
  );
  return new Map(found.rows.map(({ id, micros }) => [id, micros]));
}

export async function presentCompanies(
  pool: Pool,
  rows: readonly CompanyRow[],
): Promise<CompanyRow[]> {
  const spent = await spentThisMonth(
    pool,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => ({ ...row, spentMonthlyCents: centsOf(spent.get(row.id) ?? 0) }));
}

export async function presentCompany(pool: Pool, row: CompanyRow): Promise<CompanyRow> {
  const [shown] = await presentCompanies(pool, [row]);
  return shown ?? row;
}

/** Per cent with two digits; 0 without a budget. */
export const utilization = (spentCents: number, budgetCents: number): number =>
  budgetCents > 0 ? Number(((spentCents / budgetCents) * 100).toFixed(2)) : 0;
