/** Who holds an issue and who waits for it, in the order in which they will get it; live. */
import { useIssueLock } from "../../api/queries.js";
import type { IssueLock } from "../../api/types.js";
import { Link } from "../../shell/router.js";
import { relative, shortId } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Loaded, Section, StatusBadge } from "../../view/parts.js";

export function Lock({ companyId, issueId }: { companyId: string; issueId: string }) {
  const lock = useIssueLock(issueId);
  return (
    <Section title="Lock">
      <Loaded of={lock}>{(found) => <Holders companyId={companyId} lock={found} />}</Loaded>
    </Section>
  );
}

function Holders({ companyId, lock: { holder, waiters } }: { companyId: string; lock: IssueLock }) {
  const now = useNow();
  return (
    <>
      {holder ? (
        <p class="holder pad">
          <StatusBadge status={holder.phase} />
          <Link href={`/${companyId}/agents/${holder.agentId}`}>
            {holder.agentName ?? "an agent"}
          </Link>{" "}
          holds it with{" "}
          <Link class="mono" href={`/${companyId}/runs/${holder.runId}`}>
            {shortId(holder.runId)}
          </Link>
          {holder.since ? <span class="faint">, {relative(holder.since, now)}</span> : null}
        </p>
      ) : (
        <p class="holder pad faint">Nobody holds it.</p>
      )}
      {waiters.length === 0 ? null : (
        <ol class="waiters" aria-label="Waiters">
          {waiters.map((waiter) => (
            <li key={`${waiter.kind}-${waiter.wakeRequestId ?? waiter.runId ?? ""}`}>
              <Link href={`/${companyId}/agents/${waiter.agentId}`}>
                {waiter.agentName ?? "an agent"}
              </Link>
              <small>
                {waiter.kind === "run" ? "its run gave its slot back" : "its wake is deferred"}
              </small>
              <span class="faint">{relative(waiter.requestedAt, now)}</span>
            </li>
          ))}
        </ol>
      )}
    </>
  );
}
