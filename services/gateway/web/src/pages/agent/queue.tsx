/** What lies before an agent, in the order in which it will get it, and why each part waits. */
import { useMailbox } from "../../api/queries.js";
import type { Mailbox, QueuedRun } from "../../api/types.js";
import { Link } from "../../shell/router.js";
import { clockTime, duration, relative, shortId } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Empty, Loaded, Section, StatusBadge } from "../../view/parts.js";

/** Why a run is where it is, in a sentence. */
function whyWaiting(
  run: Pick<QueuedRun, "waitsFor" | "reason" | "notBefore">,
  ahead: number,
  slots: number,
): string {
  switch (run.waitsFor) {
    case "slot":
      return ahead === 0
        ? "next, as soon as a slot is free"
        : `behind ${ahead} ${ahead === 1 ? "run" : "runs"}; ${slots} at a time`;
    case "issue":
      return "another run holds its issue";
    case "delay":
      return run.notBefore ? `not before ${clockTime(run.notBefore)}` : "not yet";
    case "agent":
      return "the agent is paused or not approved";
    case "runner":
      return run.reason ?? "sent; no runner has started it yet";
    case "none":
      return "it runs";
  }
}

export function scheduleText({ kind, periodMs, cron, timezone }: Mailbox["schedule"]): string {
  if (kind === "interval" && periodMs !== undefined) return `every ${duration(periodMs)}`;
  if (kind === "cron") return `${cron ?? ""}${timezone ? ` (${timezone})` : ""}`;
  return "none";
}

export function Queue({ companyId, agentId }: { companyId: string; agentId: string }) {
  const mailbox = useMailbox(agentId);
  return (
    <Section
      title="Queue"
      aside={
        mailbox.data ? (
          <span class="faint">{`${mailbox.data.slots.used} of ${mailbox.data.slots.max} slots`}</span>
        ) : null
      }
    >
      <Loaded of={mailbox}>{(found) => <Waiting companyId={companyId} mailbox={found} />}</Loaded>
    </Section>
  );
}

function Waiting({ companyId, mailbox }: { companyId: string; mailbox: Mailbox }) {
  const now = useNow();
  const { runs, deferred, undecided, slots } = mailbox;
  if (runs.length + deferred.length + undecided.length === 0)
    return <Empty title="Nothing waits">The agent sleeps until a wake or its timer.</Empty>;
  return (
    <ol class="queue">
      {runs.map((run, at) => (
        <li key={run.runId}>
          <StatusBadge status={run.phase} />
          <Link class="mono" href={`/${companyId}/runs/${run.runId}`}>
            {shortId(run.runId)}
          </Link>
          <span>{whyWaiting(run, waitingBefore(runs, at), slots.max)}</span>
          <span class="faint number">{relative(run.createdAt, now)}</span>
        </li>
      ))}
      {deferred.map((wake) => (
        <li key={wake.wakeRequestId}>
          <StatusBadge status="deferred_issue_execution" />
          {wake.issueId ? (
            <Link href={`/${companyId}/issues/${wake.issueId}`}>{shortId(wake.issueId)}</Link>
          ) : (
            <span />
          )}
          <span>
            another agent holds the issue
            {wake.coalescedCount > 0 ? `; ${wake.coalescedCount} more wakes joined it` : ""}
          </span>
          <span class="faint number">{relative(wake.requestedAt, now)}</span>
        </li>
      ))}
      {undecided.map((message) => (
        <li key={`message-${message.sequence}`}>
          <StatusBadge status="queued" />
          <span class="mono">#{message.sequence}</span>
          <span>{message.kind}: stored, and not decided yet</span>
          <span class="faint number">{relative(message.storedAt, now)}</span>
        </li>
      ))}
    </ol>
  );
}

const waitingBefore = (runs: readonly QueuedRun[], at: number): number =>
  runs.slice(0, at).filter(({ waitsFor }) => waitsFor === "slot").length;
