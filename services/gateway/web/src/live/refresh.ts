/**
 * Which cached answers a live event makes old. They are asked for again soon, a burst of events once. Knows the keys of the cache,
 * not what is in it.
 */
import type { QueryClient } from "@tanstack/preact-query";
import type { Frame } from "./live-state.js";

/** A person does not see the difference, and a busy fleet makes hundreds of events a second. */
const pauseMs = 400;

/** The first parts of the keys that a frame makes old. */
function staleKeys({ type, payload, companyId }: Frame): string[][] {
  const runId = String(payload["runId"]);
  const agentId = String(payload["agentId"]);
  switch (type) {
    case "caught-up":
      return [["company", companyId], ["agent"], ["run"], ["issue"]];
    case "heartbeat.run.queued":
    case "heartbeat.run.status":
      return [["run", runId], ["agent", agentId], ["company", companyId, "wakes"], ["issue"]];
    case "agent.status":
      return [["agent", agentId]];
    case "issue.lock":
      return [["issue"], ["agent"]];
    case "activity.logged":
      return activityKeys(companyId, String(payload["entityType"]), String(payload["action"]));
    default:
      return [];
  }
}

function activityKeys(companyId: string, entity: string, action: string): string[][] {
  if (action === "heartbeat.invoked" || entity === "heartbeat_run") return [];
  if (entity === "agent") return [["company", companyId, "agents"], ["agent"]];
  if (entity === "issue") return [["company", companyId, "issues"], ["issue"]];
  return [["company", companyId]];
}

export function refreshAfter(client: QueryClient, companyId: string) {
  const stale = new Map<string, string[]>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = (): void => {
    timer = undefined;
    const keys = [...stale.values()];
    stale.clear();
    for (const queryKey of keys) void client.invalidateQueries({ queryKey });
  };
  return {
    take: (frame: Frame): void => {
      if (frame.companyId !== companyId) return;
      for (const key of staleKeys(frame)) stale.set(key.join("/"), key);
      if (stale.size > 0) timer ??= setTimeout(run, pauseMs);
    },
    stop: (): void => clearTimeout(timer),
  };
}
