/** Who decides: hosts, and of each partition its owner, epoch and lag. */
import { usePartitions } from "../../api/queries.js";
import type { Partitions } from "../../api/types.js";
import { count, duration, relative } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Loaded, Section, StatusBadge } from "../../view/parts.js";

/** A message that waits longer than this waits for somebody: deciding takes milliseconds. */
const lateMs = 2_000;

export function PartitionsPage() {
  const partitions = usePartitions();
  return (
    <>
      <h1>Partitions</h1>
      <Loaded of={partitions}>
        {(found) => (
          <>
            <Section title="Hosts" aside={<span class="faint">generation {found.generation}</span>}>
              <Hosts of={found} />
            </Section>
            <Section title={`${found.partitionCount} partitions`}>
              <Each of={found.partitions} />
            </Section>
          </>
        )}
      </Loaded>
    </>
  );
}

function Hosts({ of: { hosts, keeper } }: { of: Partitions }) {
  const now = useNow();
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th>Host</th>
            <th>State</th>
            <th>Version</th>
            <th>Since</th>
            <th class="number">Partitions</th>
            <th class="number">Lease</th>
          </tr>
        </thead>
        <tbody>
          {hosts.map(({ id, version, startedAt, leaseMs, partitions }) => (
            <tr key={id}>
              <td class="mono">
                {id} {id === keeper ? <small>keeps the streams</small> : null}
              </td>
              <td>
                <StatusBadge status={leaseMs > 0 ? "active" : "lost"} />
              </td>
              <td>{version}</td>
              <td>{relative(startedAt, now)}</td>
              <td class="number">{partitions}</td>
              <td class="number">
                {leaseMs > 0 ? duration(leaseMs) : `ended ${duration(-leaseMs)} ago`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Each({ of }: { of: Partitions["partitions"] }) {
  return (
    <div class="scroll-x">
      <table>
        <thead>
          <tr>
            <th class="number">Partition</th>
            <th>Owner</th>
            <th class="number">Epoch</th>
            <th class="number">Cursor</th>
            <th>Lag</th>
          </tr>
        </thead>
        <tbody>
          {of.map(({ partition, owner, epoch, cursor, lagMs }) => (
            <tr key={partition}>
              <td class="number">{partition}</td>
              <td class="mono">{owner ?? <span class="bad-text">nobody</span>}</td>
              <td class="number">{epoch}</td>
              <td class="number">{count(cursor)}</td>
              <td class={lagMs !== null && lagMs > lateMs ? "bad-text" : ""}>
                {lagMs === null ? "none" : duration(lagMs)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
