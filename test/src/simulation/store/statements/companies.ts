// Owns the statements that read companies.
import type { Handler } from "../store.js";
import { answer, listOf, monthOf, numberOf, sorted } from "./parameters.js";

const companyFacts: Handler = ({ tables, nowMs }, values) =>
  answer(
    [...new Set(listOf<string>(values, 0))].flatMap((id) => {
      const company = tables.companies.get(id);
      if (!company) return [];
      const agents = tables.agents.where(({ company_id }) => company_id === id);
      const spent = agents
        .filter(({ spend_month }) => spend_month === monthOf(nowMs))
        .reduce((sum, row) => sum + row.spent_monthly_micros, 0);
      return [
        {
          id,
          status: company.status,
          budgetMonthlyCents: company.budget_monthly_cents,
          liveRuns: tables.heartbeat_runs.all("live").filter((row) => row.company_id === id).length,
          spentMicros: company.budget_monthly_cents > 0 ? spent : 0,
        },
      ];
    }),
  );

const allCompanies: Handler = ({ tables }, values) =>
  answer(
    sorted(tables.companies.rows(), ({ id }) => id)
      .slice(0, numberOf(values, 0))
      .map(({ id }) => ({ id })),
  );

export const companyHandlers: Record<string, Handler> = {
  company_facts: companyFacts,
  all_companies: allCompanies,
};
