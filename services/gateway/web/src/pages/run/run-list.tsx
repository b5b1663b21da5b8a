/** Runs in a table. */
import { Link } from "../../shell/router.js";
import { between, money, relative, shortId } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { StatusBadge } from "../../view/parts.js";
import type { Usage } from "../../api/types.js";

export interface ListedRun {
  id: string;
  agentId: string;
  status: string;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
  errorCode?: string | null;
  invocationSource?: string;
  usageJson?: Usage | null;
}

export function RunList(props: {
  companyId: string;
  runs: readonly ListedRun[];
  /** Of agents; none: all runs are of one. */
  names?: ReadonlyMap<string, string>;
  chosen?: number;
}) {
  const { companyId, runs, names, chosen } = props;
  const now = useNow();
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th>Run</th>
            {names ? <th>Agent</th> : null}
            <th>Status</th>
            <th>Woken by</th>
            <th>Asked</th>
            <th class="number">Took</th>
            <th class="number">Cost</th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run, index) => (
            <tr key={run.id} class={index === chosen ? "chosen" : ""}>
              <td class="mono">
                <Link href={`/${companyId}/runs/${run.id}`}>{shortId(run.id)}</Link>
              </td>
              {names ? (
                <td>
                  <Link href={`/${companyId}/agents/${run.agentId}`}>
                    {names.get(run.agentId) ?? shortId(run.agentId)}
                  </Link>
                </td>
              ) : null}
              <td>
                <StatusBadge status={run.status} />{" "}
                {run.errorCode ? <small>{run.errorCode.replaceAll("_", " ")}</small> : null}
              </td>
              <td>{run.invocationSource?.replaceAll("_", " ") ?? "–"}</td>
              <td>{relative(run.createdAt, now)}</td>
              <td class="number">{between(run.startedAt, run.finishedAt, now)}</td>
              <td class="number">
                {run.usageJson?.costUsd === undefined ? "–" : money(run.usageJson.costUsd * 100)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
