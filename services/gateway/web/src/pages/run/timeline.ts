/** The course of a run: what happened when, and how long each step took. Pure. */
import type { RunDetail, RunEvent } from "../../api/types.js";

export interface Step {
  key: string;
  at: string;
  name: string;
  detail: string;
  level: "info" | "warn" | "error";
  /** Until the next step; null: it is the last one. */
  tookMs: number | null;
}

const names: Readonly<Record<string, string>> = {
  error: "Error",
  "adapter.invoke": "Command",
  "adapter.warning": "Warning",
  "workspace.pushed": "Work pushed",
  "workspace.kept": "Work kept",
};

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The run's own moments and its events, in order. */
export function timeline(run: RunDetail, events: readonly RunEvent[]): Step[] {
  const moments: [string | null, string, string][] = [
    [run.createdAt, "Queued", run.invocationSource.replaceAll("_", " ")],
    [run.dispatchedAt, "Dispatched", `to pool ${run.pool}`],
    [run.cancelRequestedAt, "Cancel asked", "SIGTERM first; SIGKILL when the grace is over"],
  ];
  const own = moments.flatMap(([at, name, detail]): Omit<Step, "tookMs">[] =>
    at === null
      ? []
      : [{ key: name, at, name, detail, level: name === "Cancel asked" ? "warn" : "info" }],
  );
  const told = events.map((event): Omit<Step, "tookMs"> => ({
    key: String(event.seq),
    at: event.createdAt,
    ...(event.eventType === "lifecycle"
      ? { name: capital(event.message ?? "went on"), detail: "" }
      : { name: names[event.eventType] ?? event.eventType, detail: event.message ?? "" }),
    level: event.level === "error" || event.level === "warn" ? event.level : "info",
  }));
  const steps = [...own, ...told].toSorted((a, b) => Date.parse(a.at) - Date.parse(b.at));
  return steps.map((step, at) => {
    const next = steps[at + 1];
    return { ...step, tookMs: next ? Date.parse(next.at) - Date.parse(step.at) : null };
  });
}

/** Events with one more: in order of their numbers, each once. */
export function withEvent(events: readonly RunEvent[], event: RunEvent): RunEvent[] {
  if (events.some(({ seq }) => seq === event.seq)) return [...events];
  return [...events, event].toSorted((a, b) => a.seq - b.seq);
}

/** Is a number missing below the last? */
export const hasGap = (events: readonly RunEvent[]): boolean =>
  (events.at(-1)?.seq ?? 0) > events.length;
