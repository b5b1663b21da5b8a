/** One agent in a line of the fleet. */
import { Link } from "../../shell/router.js";
import { money, relative } from "../../view/format.js";
import { useNow } from "../../view/now.js";
import { Bar, StatusBadge } from "../../view/parts.js";
import type { FleetRow } from "./fleet-rows.js";

const columns = [
  "Agent",
  "Status",
  "Slots",
  "Queue",
  "Doing",
  "Next timer",
  "Last outcome",
  "Spend",
];

export function FleetHead() {
  return (
    <div class="fleet-line head" aria-hidden="true">
      {columns.map((name) => (
        <span key={name}>{name}</span>
      ))}
      <span />
    </div>
  );
}

interface LineProps {
  row: FleetRow;
  onWake: () => void;
  onAct: (verb: "pause" | "resume") => void;
}

export function FleetLine({ row, onWake, onAct }: LineProps) {
  const { agent, status, running, slots, waiting } = row;
  const home = `/${agent.companyId}`;
  const paused = status === "paused";
  return (
    <div class="fleet-line">
      <span class="name">
        <Link href={`${home}/agents/${agent.id}`}>{agent.name}</Link>
        <small>{agent.title ?? agent.adapterType}</small>
      </span>
      <span>
        <StatusBadge status={status} />
      </span>
      <span class="slots" title={`${running} of ${slots} slots are taken`}>
        {running}/{slots}
      </span>
      <span class={waiting > 0 ? "number" : "number faint"}>{waiting}</span>
      <Doing row={row} home={home} />
      <NextTimer at={agent.nextTimerAt} />
      <LastOutcome row={row} home={home} />
      <Spend row={row} />
      <span class="actions">
        <button type="button" onClick={onWake} aria-label={`Wake ${agent.name}`}>
          Wake
        </button>
        <button
          type="button"
          class="quiet"
          onClick={() => onAct(paused ? "resume" : "pause")}
          aria-label={`${paused ? "Resume" : "Pause"} ${agent.name}`}
        >
          {paused ? "Resume" : "Pause"}
        </button>
      </span>
    </div>
  );
}

function Doing({ row: { current }, home }: { row: FleetRow; home: string }) {
  if (!current) return <span class="doing faint">–</span>;
  return (
    <Link
      class="doing mono"
      href={`${home}/runs/${current.runId}`}
      title={current.line ?? "It runs, and has printed nothing yet"}
    >
      {current.line ?? "…"}
    </Link>
  );
}

function NextTimer({ at }: { at: string | null }) {
  const now = useNow();
  if (at === null) return <span class="number faint">–</span>;
  return <span class="number">{Date.parse(at) <= now ? "due" : relative(at, now)}</span>;
}

function LastOutcome({
  row: { lastOutcome, lastRunId, lastHeartbeatAt },
  home,
}: {
  row: FleetRow;
  home: string;
}) {
  const now = useNow();
  return (
    <span class="outcome">
      {lastOutcome === null ? (
        <span class="faint">–</span>
      ) : lastRunId === null ? (
        <StatusBadge status={lastOutcome} />
      ) : (
        <Link href={`${home}/runs/${lastRunId}`}>
          <StatusBadge status={lastOutcome} />
        </Link>
      )}
      {lastHeartbeatAt === null ? null : <small>{relative(lastHeartbeatAt, now)}</small>}
    </span>
  );
}

function Spend({ row: { agent } }: { row: FleetRow }) {
  const { spentMonthlyCents: spent, budgetMonthlyCents: budget } = agent;
  return (
    <span class="spend">
      <span>
        {money(spent)}
        {budget > 0 ? <small> of {money(budget)}</small> : null}
      </span>
      {budget > 0 ? (
        <Bar value={spent} max={budget} label={`${money(spent)} of ${money(budget)} this month`} />
      ) : null}
    </span>
  );
}
