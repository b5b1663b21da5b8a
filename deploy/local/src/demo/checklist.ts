// Owns what the demo claims and whether it was seen. Knows nothing of the system.

export interface Checklist {
  /** Notes one claim; a failed one with what was seen instead. Returns whether it holds. */
  check(claim: string, holds: boolean, seen?: unknown): boolean;
  /** Claims so far, failed ones with what was seen. */
  report(): string[];
  readonly failed: number;
  readonly total: number;
}

export function createChecklist(): Checklist {
  const entries: { claim: string; holds: boolean; seen: string }[] = [];
  return {
    check: (claim, holds, seen) => {
      entries.push({ claim, holds, seen: seen === undefined ? "" : JSON.stringify(seen) });
      return holds;
    },
    report: () =>
      entries.map(({ claim, holds, seen }) =>
        holds
          ? `  ok    ${claim}`
          : `  FAIL  ${claim}${seen ? `\n        seen: ${seen.slice(0, 1_000)}` : ""}`,
      ),
    get failed() {
      return entries.filter(({ holds }) => !holds).length;
    },
    get total() {
      return entries.length;
    },
  };
}
