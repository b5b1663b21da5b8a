/** What a company spends, in all and by agent. */
import type { PageProps } from "../../app.js";
import { useAgentCosts, useCosts } from "../../api/queries.js";
import type { AgentCost, CostSummary } from "../../api/types.js";
import { Link } from "../../shell/router.js";
import { count, money } from "../../view/format.js";
import { Bar, Empty, Loaded } from "../../view/parts.js";

export function CostsPage({ company }: PageProps) {
  const summary = useCosts(company.id);
  const agents = useAgentCosts(company.id);
  return (
    <>
      <h1>Costs</h1>
      <Loaded of={summary}>{(found) => <Summary of={found} />}</Loaded>
      <Loaded of={agents}>
        {(found) =>
          found.length === 0 ? (
            <Empty title="Nothing was spent yet">
              Costs come from what runs report about their usage.
            </Empty>
          ) : (
            <ByAgent companyId={company.id} rows={found} />
          )
        }
      </Loaded>
    </>
  );
}

function Summary({ of: { spendCents, budgetCents } }: { of: CostSummary }) {
  return (
    <div class="figures">
      <div class="figure">
        <small>Spent</small>
        <strong>{money(spendCents)}</strong>
      </div>
      <div class="figure">
        <small>Monthly budget</small>
        <strong>{budgetCents === 0 ? "none" : money(budgetCents)}</strong>
        {budgetCents > 0 ? (
          <Bar
            value={spendCents}
            max={budgetCents}
            label={`${money(spendCents)} of ${money(budgetCents)}`}
          />
        ) : null}
      </div>
    </div>
  );
}

function ByAgent({ companyId, rows }: { companyId: string; rows: readonly AgentCost[] }) {
  const most = Math.max(1, ...rows.map(({ costCents }) => costCents));
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th>Agent</th>
            <th class="number">Cost</th>
            <th>Share</th>
            <th class="number">Input tokens</th>
            <th class="number">Output tokens</th>
            <th class="number">Runs</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.agentId}>
              <td>
                <Link href={`/${companyId}/agents/${row.agentId}`}>
                  {row.agentName ?? "a deleted agent"}
                </Link>
              </td>
              <td class="number">{money(row.costCents)}</td>
              <td>
                <progress
                  max={most}
                  value={row.costCents}
                  aria-label={`${money(row.costCents)} of at most ${money(most)}`}
                />
              </td>
              <td class="number">{count(row.inputTokens)}</td>
              <td class="number">{count(row.outputTokens)}</td>
              <td class="number">{count(row.apiRunCount + row.subscriptionRunCount)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
