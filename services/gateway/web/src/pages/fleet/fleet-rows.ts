/** What a line of the fleet says: the agent's row with what live events and the newest runs say of it. Pure. */
import type { Agent, Run } from "../../api/types.js";
import { isLive } from "../../live/live-state.js";
import type { LiveRun, LiveState } from "../../live/live-state.js";

export interface FleetRow {
  agent: Agent;
  status: string;
  running: number;
  waiting: number;
  slots: number;
  /** The newest of its running runs. */
  current: LiveRun | null;
  lastOutcome: string | null;
  lastRunId: string | null;
  lastHeartbeatAt: string | null;
}

export const filters = ["all", "working", "waiting", "paused", "trouble"] as const;
export type Filter = (typeof filters)[number];

/** As the actor reads it: 1 to 10, 1 where nothing of use is said. */
function slotsOf({ runtimeConfig }: Agent): number {
  const heartbeat = runtimeConfig["heartbeat"] as
    { maxConcurrentRuns?: unknown } | null | undefined;
  const wanted = heartbeat?.maxConcurrentRuns;
  return typeof wanted === "number" && Number.isFinite(wanted)
    ? Math.min(10, Math.max(1, Math.floor(wanted)))
    : 1;
}

export function fleetRows(
  agents: readonly Agent[],
  live: LiveState,
  recent: readonly Run[],
): FleetRow[] {
  const runs = new Map<string, LiveRun[]>();
  for (const run of live.runs.values()) {
    const all = runs.get(run.agentId);
    if (all) all.push(run);
    else runs.set(run.agentId, [run]);
  }
  const ended = new Map<string, Run>();
  for (const run of recent)
    if (!isLive(run.status) && !ended.has(run.agentId)) ended.set(run.agentId, run);
  return agents.map((agent) => {
    const now = live.agents.get(agent.id);
    const own = runs.get(agent.id) ?? [];
    const running = own.filter(({ status }) => status === "running");
    const last = own.findLast(({ status }) => !isLive(status));
    const before = ended.get(agent.id);
    return {
      agent,
      status: now?.status ?? agent.status,
      running: running.length,
      waiting: own.filter(({ status }) => status === "queued").length,
      slots: slotsOf(agent),
      current: running.at(-1) ?? null,
      lastOutcome: last?.status ?? now?.outcome ?? before?.status ?? null,
      lastRunId: last?.runId ?? before?.id ?? null,
      lastHeartbeatAt: now?.lastHeartbeatAt ?? agent.lastHeartbeatAt,
    };
  });
}

const bad = ["failed", "timed_out", "error"];

const passes: Readonly<Record<Filter, (row: FleetRow) => boolean>> = {
  all: () => true,
  working: ({ running }) => running > 0,
  waiting: ({ waiting }) => waiting > 0,
  paused: ({ status }) => status === "paused" || status === "pending_approval",
  trouble: ({ status, lastOutcome }) => status === "error" || bad.includes(lastOutcome ?? ""),
};

/** Rows that pass the filter and have all words of the search in name, title, adapter or status. */
export function chosenRows(rows: readonly FleetRow[], filter: Filter, search: string): FleetRow[] {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "");
  return rows.filter((row) => {
    if (!passes[filter](row)) return false;
    if (words.length === 0) return true;
    const { name, title, adapterType, id } = row.agent;
    const text = `${name} ${title ?? ""} ${adapterType} ${row.status} ${id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

export const countsOf = (rows: readonly FleetRow[]): Record<Filter, number> =>
  Object.fromEntries(
    filters.map((filter) => [filter, rows.filter(passes[filter]).length]),
  ) as Record<Filter, number>;
