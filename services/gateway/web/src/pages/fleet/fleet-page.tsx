/** The fleet: every agent in a line, live; find, wake, pause and resume them. */
import { useMemo, useState } from "preact/hooks";
import type { PageProps } from "../../app.js";
import { useAgents, useRecentRuns } from "../../api/queries.js";
import type { Agent } from "../../api/types.js";
import { useLive } from "../../live/live.js";
import { useKeys } from "../../shell/keyboard.js";
import { navigate } from "../../shell/router.js";
import { Empty, Loaded } from "../../view/parts.js";
import { VirtualList } from "../../view/virtual-list.js";
import { useAgentAction } from "../agent/agent-actions.js";
import { WakeDialog } from "../agent/wake-dialog.js";
import { FleetLine, FleetHead } from "./fleet-line.js";
import { chosenRows, countsOf, filters, fleetRows } from "./fleet-rows.js";
import type { Filter, FleetRow } from "./fleet-rows.js";

/** Two lines of text with room around them, pixels. */
const rowHeight = 56;

const filterNames: Readonly<Record<Filter, string>> = {
  all: "All",
  working: "Working",
  waiting: "With a queue",
  paused: "Paused",
  trouble: "In trouble",
};

export function FleetPage({ company }: PageProps) {
  const agents = useAgents(company.id);
  return (
    <>
      <h1 class="unseen">Fleet</h1>
      <Loaded of={agents}>{(found) => <Fleet companyId={company.id} agents={found} />}</Loaded>
    </>
  );
}

function Fleet({ companyId, agents }: { companyId: string; agents: readonly Agent[] }) {
  const { state, version } = useLive();
  const recent = useRecentRuns(companyId);
  const [filter, setFilter] = useState<Filter>("all");
  const [search, setSearch] = useState("");
  const rows = useMemo(
    () => fleetRows(agents, state, recent.data ?? []),
    [agents, state, recent.data, version],
  );
  const counts = useMemo(() => countsOf(rows), [rows]);
  const shown = useMemo(() => chosenRows(rows, filter, search), [rows, filter, search]);
  return (
    <div class="fleet">
      <div class="tools">
        <input
          type="search"
          placeholder="Search agents  ( / )"
          aria-label="Search agents"
          value={search}
          onInput={({ currentTarget }) => setSearch(currentTarget.value)}
        />
        <div class="tabs" role="group" aria-label="Filter">
          {filters.map((each) => (
            <button
              key={each}
              type="button"
              aria-pressed={each === filter}
              onClick={() => setFilter(each)}
            >
              {filterNames[each]} <span class="count">{counts[each]}</span>
            </button>
          ))}
        </div>
      </div>
      {shown.length === 0 ? (
        <Nothing any={agents.length > 0} reset={() => (setFilter("all"), setSearch(""))} />
      ) : (
        <FleetList companyId={companyId} rows={shown} />
      )}
    </div>
  );
}

function Nothing({ any, reset }: { any: boolean; reset: () => void }) {
  if (!any)
    return (
      <Empty title="No agents yet">
        Make one over the API, or start the sample company with npm start.
      </Empty>
    );
  return (
    <Empty title="No agent is like that">
      <button type="button" onClick={reset}>
        Show all
      </button>
    </Empty>
  );
}

function FleetList({ companyId, rows }: { companyId: string; rows: readonly FleetRow[] }) {
  const [chosenId, setChosenId] = useState<string | null>(null);
  const [waking, setWaking] = useState<Agent | null>(null);
  const act = useAgentAction(companyId);
  const at = rows.findIndex(({ agent }) => agent.id === chosenId);
  const move = (by: number): void =>
    setChosenId(rows[Math.min(rows.length - 1, Math.max(0, at + by))]?.agent.id ?? null);
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    w: () => setWaking(rows[at]?.agent ?? null),
    ...(at >= 0 ? { Enter: () => navigate(`/${companyId}/agents/${chosenId}`) } : {}),
  });
  return (
    <div class="table">
      <FleetHead />
      <VirtualList
        items={rows}
        rowHeight={rowHeight}
        keyOf={({ agent }) => agent.id}
        chosen={at}
        label="Agents"
      >
        {(row) => (
          <FleetLine
            row={row}
            onWake={() => setWaking(row.agent)}
            onAct={(verb) => void act(row.agent, verb)}
          />
        )}
      </VirtualList>
      {waking ? <WakeDialog agent={waking} onClose={() => setWaking(null)} /> : null}
    </div>
  );
}
