/**
 * Reads what a program printed as JSON, of which nothing is certain: every look answers a value of the
 * wanted kind or its absence, and none throws. Knows no program.
 */
import type { Usage, UsageSoFar } from "@reveille/shared/protocol/execution";

export type Fields = Readonly<Record<string, unknown>>;

const none: Fields = Object.freeze({});
/** What the usage columns hold (`usageSchema`). */
const countMax = 2_147_483_647;
/** What `costUsd` of a result may be. */
const amountMax = 1e6;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : none;
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
/** Null for blank text as well. */
export const textOf = (value: unknown): string | null =>
  typeof value === "string" && value.trim() !== "" ? value : null;
/** A whole number from 0 on; 0 for anything else. */
export const countOf = (value: unknown): number =>
  typeof value === "number" && value > 0 ? Math.min(Math.trunc(value), countMax) : 0;
/** Money, 0 or more. */
export const amountOf = (value: unknown): number | null =>
  typeof value === "number" && value >= 0 ? Math.min(value, amountMax) : null;
/** JSON as text; also of what is text already. */
export const jsonOf = (value: unknown): string => JSON.stringify(value ?? null);

/** One line that should be a JSON object; null when it is none. */
export function parseLine(line: string): Fields | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : null;
  } catch {
    // Programs print warnings between their events; the raw log has them.
    return null;
  }
}

export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, cachedInputTokens: 0 };
export const isNoUsage = (usage: Usage): boolean =>
  usage.inputTokens === 0 && usage.outputTokens === 0 && usage.cachedInputTokens === 0;

const combined = (a: Usage, b: Usage, of: (x: number, y: number) => number): Usage => ({
  inputTokens: countOf(of(a.inputTokens, b.inputTokens)),
  outputTokens: countOf(of(a.outputTokens, b.outputTokens)),
  cachedInputTokens: countOf(of(a.cachedInputTokens, b.cachedInputTokens)),
});
export const addUsage = (a: Usage, b: Usage): Usage => combined(a, b, (x, y) => x + y);
/** The larger of each count: of two figures for the same thing that only grows, the later one. */
export const maxUsage = (a: Usage, b: Usage): Usage => combined(a, b, Math.max);

/**
 * This run's part of counters that go on through a session. Counters that are lower than they were have
 * begun anew (the program has made another session of it): then they are this run's alone.
 */
export function sinceUsage(total: Usage, base: Usage): Usage {
  const begunAnew = total.inputTokens < base.inputTokens || total.outputTokens < base.outputTokens;
  return begunAnew ? total : combined(total, base, (x, y) => x - y);
}

export const usedOf = (usage: Usage, costUsd: number | null): UsageSoFar => ({
  ...(isNoUsage(usage) ? {} : { usage }),
  ...(costUsd === null ? {} : { costUsd }),
});
