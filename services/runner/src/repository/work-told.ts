/** How work that is in no branch of its repository is told: an event for people, and a field of the run's result. Pure. */
import type { RunEvent, RunResult } from "@reveille/shared/protocol/execution";
import type { SettledWork } from "./settle.js";

/** `atMs`: Unix time. */
export function workEvent(work: SettledWork, atMs: number): RunEvent {
  const pushed = work.state === "pushed";
  const message = pushed
    ? `work was pushed to ${work.branches.join(", ")}`
    : `work that is in no branch of the repository stays in ${work.cwd} (${work.reason})`;
  return {
    eventType: pushed ? "workspace.pushed" : "workspace.kept",
    stream: "system",
    level: pushed ? "info" : "warn",
    message: message.slice(0, 2_000),
    payload: { ...work },
    at: new Date(atMs).toISOString(),
  };
}

/** Under `workspace`, beside what the agent answered. */
export const withWork = (result: RunResult, work: SettledWork): RunResult => ({
  ...result,
  resultJson: { ...result.resultJson, workspace: { ...work } },
});
