/** All runs of a company, the newest first; one of them when the path names it. */
import { useState } from "preact/hooks";
import type { PageProps } from "../../app.js";
import { useAgents, useRecentRuns } from "../../api/queries.js";
import { isLive } from "../../live/live-state.js";
import { useLive } from "../../live/live.js";
import { useKeys } from "../../shell/keyboard.js";
import { navigate } from "../../shell/router.js";
import { Empty, Loaded } from "../../view/parts.js";
import { RunList } from "./run-list.js";
import type { ListedRun } from "./run-list.js";
import { RunPage } from "./run-page.js";

export function RunsPage({ company, id }: PageProps) {
  return id === "" ? (
    <AllRuns companyId={company.id} />
  ) : (
    <RunPage companyId={company.id} runId={id} />
  );
}

function AllRuns({ companyId }: { companyId: string }) {
  const recent = useRecentRuns(companyId);
  const agents = useAgents(companyId);
  const { state } = useLive();
  const [search, setSearch] = useState("");
  const [chosen, setChosen] = useState(-1);
  const names = new Map(agents.data?.map(({ id, name }) => [id, name]));
  const stored = new Map<string, ListedRun>(recent.data?.map((run) => [run.id, run]));
  // Events are newer than the list, and tell of runs that it does not have yet.
  for (const run of state.runs.values())
    if (isLive(run.status) || stored.has(run.runId))
      stored.set(run.runId, { ...stored.get(run.runId), ...run, id: run.runId });
  const wanted = search.toLowerCase();
  const shown = [...stored.values()]
    .filter((run) =>
      `${names.get(run.agentId) ?? ""} ${run.status} ${run.id}`.toLowerCase().includes(wanted),
    )
    .toSorted((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  useKeys({
    j: () => setChosen(Math.min(shown.length - 1, chosen + 1)),
    k: () => setChosen(Math.max(0, chosen - 1)),
    ...(shown[chosen] ? { Enter: () => navigate(`/${companyId}/runs/${shown[chosen]!.id}`) } : {}),
  });
  return (
    <>
      <div class="tools">
        <h1>Runs</h1>
        <input
          type="search"
          placeholder="Search runs  ( / )"
          aria-label="Search runs"
          value={search}
          onInput={({ currentTarget }) => setSearch(currentTarget.value)}
        />
      </div>
      <Loaded of={recent}>
        {() =>
          shown.length === 0 ? (
            <Empty title="No runs">Wake an agent, and its run is here at once.</Empty>
          ) : (
            <RunList companyId={companyId} runs={shown} names={names} chosen={chosen} />
          )
        }
      </Loaded>
    </>
  );
}
