/**
 * Monthly limits of agent and company, checked at every cost and at every report of usage. An agent at
 * its limit is paused and what lives of it is stopped; a company at its limit admits nothing, and what
 * reports is stopped. Bounds over a company are soft by what its other agents spent within the last
 * second or so. The sums are in `spend.ts`.
 */
import { pauseAgent } from "./agent-status.js";
import { cancelRun } from "./cancel-run.js";
import type { Draft } from "./draft.js";
import { budgetReasons } from "./outcome.js";
import { spentMicros, unchargedMicros } from "./spend.js";
import { isInvokable, isRunning } from "./state.js";

/** A cent in micro-dollars. */
const centMicros = 10_000;

/** Has the agent reached its limit, with what its live runs have reported? */
function agentOverBudget(draft: Draft): boolean {
  const { state, delivery } = draft;
  const limit = state.agent.budgetMonthlyCents * centMicros;
  return limit > 0 && spentMicros(state.agent, delivery.atMs) + unchargedMicros(state) >= limit;
}

/**
 * Has the company reached its limit, as it was read, with what this message adds and what the live runs
 * of this agent have reported? Then nothing of it is admitted.
 */
export function companyOverBudget(draft: Draft): boolean {
  const { state, before, inputs, delivery } = draft;
  const limit = inputs.company.budgetMonthlyCents * centMicros;
  if (limit === 0) return false;
  const { atMs } = delivery;
  const added = spentMicros(state.agent, atMs) - spentMicros(before.agent, atMs);
  return inputs.company.spentMicros + added + unchargedMicros(state) >= limit;
}

/**
 * Stops what a limit stops, after anything was spent or reported. `reporter`: the run that did. An agent
 * that is paused already, for whatever reason, keeps that reason: its runs are being ended anyway.
 */
export function enforceBudget(draft: Draft, reporter: string | null = null): void {
  if (agentOverBudget(draft) && isInvokable(draft.state.agent.status)) {
    pauseAgent(draft, "budget");
    for (const run of draft.state.runs) cancelRun(draft, run, budgetReasons.agent);
  } else if (companyOverBudget(draft)) stopForCompany(draft, reporter);
}

/** Whatever has no process goes; of what runs, the one that reported: the others stop when they report. */
export function stopForCompany(draft: Draft, reporter: string | null): void {
  for (const run of draft.state.runs)
    if (!isRunning(run) || (run.id === reporter && run.cancel === null))
      cancelRun(draft, run, budgetReasons.company);
}
