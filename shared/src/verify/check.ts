/** What a check is, and the two kinds that ask Postgres alone. Knows no invariant. */
import type { Evidence } from "./evidence.js";
import type { Found, InvariantId, Shown } from "./report.js";
import { settled } from "./settled.js";

/** What a check cannot be made without; `rows` is always there. */
export type Need = "rows" | "recorder" | "streams" | "history" | "witness" | "canaries";

export interface Check {
  invariant: InvariantId;
  /** What must hold, in a phrase. */
  title: string;
  /** What `looked` counts. */
  unit: string;
  needs: readonly Need[];
  /** It can only be judged when nothing is under way. */
  atRest?: true;
  /**
   * `snapshot`: reads Postgres through the one snapshot. `settling`: compares what is never changed in one step, so it looks again until
   * nothing is wrong or the time is over.
   */
  stage: "snapshot" | "settling";
  run(evidence: Evidence): Promise<Found>;
}

interface RowCheck {
  invariant: InvariantId;
  title: string;
  unit: string;
  needs?: readonly Need[];
  atRest?: true;
  /** A table, with a condition if need be: `heartbeat_runs where live`. */
  population: string;
  /** Selects what is wrong: a row for each, with what shows it. */
  violating: string;
}

/** A question to the snapshot whose answer has to be empty. */
export function rowCheck({ population, violating, needs = ["rows"], ...check }: RowCheck): Check {
  return {
    ...check,
    needs,
    stage: "snapshot",
    run: async ({ snapshot, rowsMax }) => {
      const looked = await snapshot.count(population);
      const rows = await snapshot.query<{ verifyTotal: number } & Shown>(
        `select (count(*) over ())::float8 as "verifyTotal", x.* from (${violating}) x limit ${rowsMax}`,
      );
      return {
        looked,
        violations: rows[0]?.verifyTotal ?? 0,
        rows: rows.map((row) =>
          Object.fromEntries(Object.entries(row).filter(([key]) => key !== "verifyTotal")),
        ),
      };
    },
  };
}

/** The same for what may be wrong for a moment: only what is still wrong after the time to settle counts. Needs a column `id`. */
export function settlingRowCheck({ population, violating, needs = ["rows"], ...check }: RowCheck) {
  return {
    ...check,
    needs,
    stage: "settling",
    run: (evidence: Evidence) =>
      settled(evidence, async () => {
        const [count, rows] = await Promise.all([
          evidence.ask<{ n: number }>(`select count(*)::float8 as n from ${population}`),
          evidence.ask<{ id: string } & Shown>(
            `select x.* from (${violating}) x order by x.id limit ${evidence.candidatesMax}`,
          ),
        ]);
        return { looked: count[0]!.n, wrong: new Map(rows.map((row) => [row.id, row])) };
      }),
  } satisfies Check;
}
