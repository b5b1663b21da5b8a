/** Who executes runs: pools and what waits in them, runners with their slots and leases. */
import type { PageProps } from "../../app.js";
import { usePools, useRunners } from "../../api/queries.js";
import type { Runner, RunnerPool } from "../../api/types.js";
import { Link } from "../../shell/router.js";
import { relative, shortId } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Bar, Empty, Loaded, Section, StatusBadge } from "../../view/parts.js";

export function RunnersPage({ company }: PageProps) {
  const pools = usePools();
  const runners = useRunners();
  return (
    <>
      <h1>Runners</h1>
      <Section title="Pools">
        <Loaded of={pools}>{({ pools: found }) => <Pools of={found} />}</Loaded>
      </Section>
      <Section title="Runners">
        <Loaded of={runners}>
          {({ runners: found, unread }) =>
            found.length === 0 ? (
              <Empty title="No runner is there">Runs wait until one comes.</Empty>
            ) : (
              <>
                <Runners companyId={company.id} of={found} />
                {unread > 0 ? <p class="note">{unread} more leases are not shown.</p> : null}
              </>
            )
          }
        </Loaded>
      </Section>
    </>
  );
}

function Pools({ of }: { of: readonly RunnerPool[] }) {
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th>Pool</th>
            <th class="number">Runners</th>
            <th class="number">Slots</th>
            <th class="number">Running</th>
            <th class="number">Waiting</th>
            <th>Load</th>
            <th>Why it waits</th>
          </tr>
        </thead>
        <tbody>
          {of.map(({ pool, runners, slots, running, waiting, demand, reason, configured }) => (
            <tr key={pool}>
              <td>
                {pool} {configured ? null : <small>not configured any more</small>}
              </td>
              <td class="number">{runners}</td>
              <td class="number">{slots}</td>
              <td class="number">{running}</td>
              <td class="number">{waiting}</td>
              <td>
                <Bar
                  value={demand}
                  max={Math.max(1, slots)}
                  label={`${demand} of ${slots} slots are wanted`}
                />
              </td>
              <td>{reason ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Runners({ companyId, of }: { companyId: string; of: readonly Runner[] }) {
  const now = useNow();
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th>Runner</th>
            <th>State</th>
            <th>Pool</th>
            <th>Slots</th>
            <th>Since</th>
            <th>Adapters</th>
            <th>Runs</th>
          </tr>
        </thead>
        <tbody>
          {of.map((runner) => (
            <tr key={runner.incarnation}>
              <td>
                {runner.runnerId}
                <small>
                  {runner.hostname}, pid {runner.pid}, {runner.version}
                </small>
              </td>
              <td>
                <StatusBadge status={runner.draining ? "draining" : "active"} />
              </td>
              <td>{runner.pool}</td>
              <td>
                {runner.runs.length}/{runner.slots}
              </td>
              <td>{relative(runner.startedAt, now)}</td>
              <td class="clip">{runner.adapters.join(", ")}</td>
              <td class="mono">
                {runner.runs.map(({ runId }) => (
                  <Link key={runId} href={`/${companyId}/runs/${runId}`}>
                    {shortId(runId)}{" "}
                  </Link>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
