/**
 * What runs use and cost. Money is counted in micro-dollars, exactly, so that no cost is lost to
 * rounding; cents stand beside them for whoever reads cents. Knows no limit: those are in `budget.ts`.
 */
import type { RunResult, Usage, UsageSoFar } from "@reveille/shared/protocol/execution";
import { deriveId, isUuid } from "@reveille/shared/protocol/ids";
import { isoTime } from "@reveille/shared/protocol/time";
import type { Draft } from "./draft.js";
import type { AgentFacts, AgentState, Json, Reported, RunState } from "./state.js";

/** 2^31 - 1: what the columns of tokens and cents hold. */
const intMax = 2_147_483_647;
/** What the column of monthly cents holds, in micro-dollars: 21 million dollars. Beyond it the count stands still. */
const spendMicrosMax = intMax * 10_000;

/** Dollars as an adapter says them, to the micro-dollar. */
export const microsOf = (costUsd: number | null | undefined): number =>
  Math.max(0, Math.round((costUsd ?? 0) * 1_000_000));
/** Cents for people: the exact figure, rounded, as far as the column goes. */
export const centsOf = (micros: number): number => Math.min(intMax, Math.round(micros / 10_000));

/** The month of a moment, UTC, `YYYY-MM`. */
const monthOf = (atMs: number): string => isoTime(atMs).slice(0, 7);

/** What the agent spent in the month of a moment, in micro-dollars. Another month counts from 0. */
export const spentMicros = ({ spend }: AgentFacts, atMs: number): number =>
  spend.month !== null && spend.month >= monthOf(atMs) ? spend.micros : 0;

/** What its live runs have reported so far and nobody has charged yet, in micro-dollars. */
export const unchargedMicros = ({ runs }: AgentState): number =>
  runs.reduce((sum, run) => sum + microsOf(usageOf(run.reported, null).costUsd), 0);

const nothing: Usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 };
const sum = (a: number, b: number): number => Math.min(intMax, a + b);

/** Two attempts together; null stays where neither said anything. */
function together(a: UsageSoFar | null, b: UsageSoFar): UsageSoFar {
  if (!a) return b;
  const [one, two] = [a.usage ?? nothing, b.usage ?? nothing];
  return {
    usage:
      a.usage || b.usage
        ? {
            inputTokens: sum(one.inputTokens, two.inputTokens),
            outputTokens: sum(one.outputTokens, two.outputTokens),
            cachedInputTokens: sum(one.cachedInputTokens, two.cachedInputTokens),
          }
        : null,
    costUsd:
      typeof a.costUsd === "number" || typeof b.costUsd === "number"
        ? (microsOf(a.costUsd) + microsOf(b.costUsd)) / 1_000_000
        : null,
  };
}

/**
 * What a run used: its lost attempts, and the last one. What the adapter says at the end stands above what
 * was reported on the way, each of tokens and cost by itself. An adapter that could not do its work
 * (`threw`) has used nothing; what was reported before stays spent.
 */
export function usageOf(reported: Reported | null, result: RunResult | null): UsageSoFar {
  const final = result?.threw ? null : result;
  const current = reported?.current;
  return together(reported?.carried ?? null, {
    usage: final?.usage ?? current?.usage ?? null,
    costUsd: final?.costUsd ?? current?.costUsd ?? null,
  });
}

/** A later report of the same attempt: its own total, so what it names replaces what was said before. */
export const withUsage = (reported: Reported | null, said: UsageSoFar): Reported => ({
  carried: null,
  patch: {},
  ...reported,
  current: {
    usage: said.usage ?? reported?.current?.usage ?? null,
    costUsd: said.costUsd ?? reported?.current?.costUsd ?? null,
  },
});

/** What the next attempt begins with: the sum of what was used. What a lost attempt said of its result is void. */
export const carriedOn = (reported: Reported | null): Reported | null =>
  reported && { carried: usageOf(reported, null), current: null, patch: {} };

/** `usage_json`: tokens, with cost and billing when they are known; null when nothing was reported. */
export function usageJson(used: UsageSoFar, result: RunResult | null): Json | null {
  if (!used.usage && typeof used.costUsd !== "number") return null;
  return {
    ...used.usage,
    ...(typeof used.costUsd === "number" ? { costUsd: used.costUsd } : {}),
    ...(result?.billingType ? { billingType: result.billingType } : {}),
  };
}

/** Charges a run that ends: at most one cost event, written whenever anything was used, and the month's spend. */
export function chargeRun(
  draft: Draft,
  run: RunState,
  used: UsageSoFar,
  result: RunResult | null,
): void {
  const { agent } = draft.state;
  const usage = used.usage ?? nothing;
  const costMicros = microsOf(used.costUsd);
  if (costMicros + usage.inputTokens + usage.outputTokens + usage.cachedInputTokens === 0) return;
  const projectId = run.context["projectId"];
  draft.row({
    table: "costs",
    op: "insert",
    row: {
      id: deriveId("cost", run.id),
      companyId: agent.companyId,
      agentId: agent.id,
      issueId: run.issueId,
      // The commit puts the issue's own project in its place, if it has one.
      projectId: isUuid(projectId) ? projectId : null,
      runId: run.id,
      provider: result?.provider ?? "unknown",
      model: result?.model ?? "unknown",
      ...usage,
      costMicros,
      costCents: centsOf(costMicros),
      occurredAt: isoTime(draft.delivery.atMs),
    },
  });
  spend(draft, costMicros);
}

/** Adds to the agent's spend of the message's month: state and row. */
export function spend(draft: Draft, micros: number): void {
  if (micros === 0) return;
  const { agent } = draft.state;
  const { atMs } = draft.delivery;
  const total = Math.min(spendMicrosMax, spentMicros(agent, atMs) + micros);
  // Never back: a stream that was replaced may tell the time of a month that was counted already.
  const now = monthOf(atMs);
  const month = agent.spend.month !== null && agent.spend.month > now ? agent.spend.month : now;
  draft.changeAgent({ spend: { month, micros: total } });
  draft.row({
    table: "agents",
    op: "update",
    row: { id: agent.id, spentMonthlyMicros: total, spendMonth: month },
  });
}
