/**
 * An agent that fails again and again in the same way is paused, with the reason: what it does costs
 * and helps nobody. Its runs are stopped as by any pause; a resume begins to count anew.
 */
import { pauseAgent } from "./agent-status.js";
import { cancelRun } from "./cancel-run.js";
import type { Draft } from "./draft.js";
import { isFailing } from "./retry.js";
import { isInvokable } from "./state.js";

/** Looks after a run has ended. */
export function pauseIfFailing(draft: Draft): void {
  const { agent } = draft.state;
  if (!isFailing(draft.state) || !isInvokable(agent.status)) return;
  const { code, count } = agent.failure!;
  const reason = `paused after ${count} equal failures in a row: ${code}`;
  pauseAgent(draft, reason);
  for (const run of draft.state.runs) cancelRun(draft, run, reason);
}
