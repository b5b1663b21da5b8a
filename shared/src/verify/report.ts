/** What the checker says: one entry a check, and the rows that show what is wrong. Values alone. */

/** I1 to I25 of the list in docs/reliability.md; I0: that there was enough to judge. */
export type InvariantId = `I${number}`;

/** One thing that is wrong, in the words of its evidence: ids, statuses, times. */
export type Shown = Record<string, unknown>;

/** What one check has found. */
export interface Found {
  /** How many things were looked at: a check of nothing is clean and proves nothing. */
  looked: number;
  /** How many of them are wrong. */
  violations: number;
  /** The first of these, bounded. */
  rows: Shown[];
}

/** `skipped`: its evidence was not given. `unchecked`: it was, and could not be read; never clean. */
export type CheckStatus = "clean" | "violated" | "skipped" | "unchecked";

export interface CheckReport extends Found {
  invariant: InvariantId;
  /** What must hold, in a phrase. */
  title: string;
  status: CheckStatus;
  /** What was counted in `looked`: runs, wakes, locks. */
  unit: string;
  /** Why it was skipped or not checked; null otherwise. */
  reason: string | null;
  ms: number;
}

export interface VerifyReport {
  /** `clean`: every check that could be made found nothing. `unchecked` wins over `violated` only when nothing was violated. */
  verdict: "clean" | "violated" | "unchecked";
  /** True when things under way counted as violations. */
  atRest: boolean;
  checks: CheckReport[];
}

/** The violations of a report, one text each, as a test prints them. */
export const violationTexts = ({ checks }: VerifyReport): string[] =>
  checks
    .filter(({ status }) => status === "violated" || status === "unchecked")
    .map(({ invariant, title, status, violations, reason, rows }) =>
      status === "unchecked"
        ? `${invariant} ${title}: could not be checked: ${reason}`
        : `${invariant} ${title}: ${violations} times, for example ${JSON.stringify(rows[0])}`,
    );
