/** The events of one run: stored ones once, live ones as they come, and again when one is missing between them. */
import { useQuery, useQueryClient } from "@tanstack/preact-query";
import { request } from "../../api/client.js";
import type { RunEvent } from "../../api/types.js";
import { useFrames } from "../../live/live.js";
import { hasGap, withEvent } from "./timeline.js";

/** The most that the API gives at once: more events than any run so far has had. */
const eventsMax = 1_000;

export function useRunEvents(runId: string): RunEvent[] {
  const client = useQueryClient();
  const queryKey = ["run", runId, "events"];
  const stored = useQuery({
    queryKey,
    queryFn: () => request<RunEvent[]>("GET", `/heartbeat-runs/${runId}/events?limit=${eventsMax}`),
  });
  useFrames(({ type, payload, createdAt }) => {
    if (type !== "heartbeat.run.event" || payload["runId"] !== runId) return;
    const event = { createdAt, ...payload } as unknown as RunEvent;
    const known = client.getQueryData<RunEvent[]>(queryKey);
    if (!known) return;
    const full = withEvent(known, event);
    client.setQueryData<RunEvent[]>(queryKey, full);
    if (hasGap(full)) void client.invalidateQueries({ queryKey });
  });
  return stored.data ?? [];
}
