/** Wake requests in a table: what was asked, and what became of it. */
import type { WakeRequest } from "../../api/types.js";
import { Link } from "../../shell/router.js";
import { relative, shortId } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { StatusBadge } from "../../view/parts.js";

export function WakeList(props: {
  companyId: string;
  wakes: readonly WakeRequest[];
  names?: ReadonlyMap<string, string>;
}) {
  const { companyId, wakes, names } = props;
  const now = useNow();
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th>Asked</th>
            {names ? <th>Agent</th> : null}
            <th>Source</th>
            <th>Reason</th>
            <th>Became</th>
            <th>Run</th>
          </tr>
        </thead>
        <tbody>
          {wakes.map((wake) => (
            <tr key={wake.id}>
              <td title={wake.requestedAt}>{relative(wake.requestedAt, now)}</td>
              {names ? (
                <td>
                  <Link href={`/${companyId}/agents/${wake.agentId}`}>
                    {names.get(wake.agentId) ?? shortId(wake.agentId)}
                  </Link>
                </td>
              ) : null}
              <td>{wake.source.replaceAll("_", " ")}</td>
              <td class="clip">{wake.reason ?? "–"}</td>
              <td>
                <StatusBadge status={wake.status} />{" "}
                {wake.error ? <small>{wake.error}</small> : null}
              </td>
              <td class="mono">
                {wake.runId ? (
                  <Link href={`/${companyId}/runs/${wake.runId}`}>{shortId(wake.runId)}</Link>
                ) : (
                  "–"
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
