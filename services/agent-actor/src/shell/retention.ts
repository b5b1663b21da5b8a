/**
 * Removes what is kept for a time only: verdicts, dead letters, hosts that are long gone. Several hosts
 * may do it at once: what is removed twice is removed.
 */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Sql } from "@reveille/shared/postgres/pool";

/** Rows removed in one statement: what a few seconds of statement timeout allow many times over. */
const rowsMax = 20_000;

/** What is old, by table. A wake id or an idempotency key is remembered for 7 days (docs/delivery-guarantees.md). */
const kept = [
  { table: "wake_verdicts", old: "created_at < now() - interval '7 days'" },
  { table: "dead_letters", old: "created_at < now() - interval '30 days'" },
  { table: "hosts", old: "lease_until < now() - interval '1 day'" },
] as const;

/** @throws RuntimeError `StoreUnavailable`. */
export async function removeOld(pool: Sql): Promise<void> {
  for (const { table, old } of kept)
    for (let removed = rowsMax; removed === rowsMax;) {
      const result = await guarded(`remove old ${table}`, () =>
        pool.query({
          name: `remove_old_${table}`,
          text: `delete from ${table} where ctid = any(array(select ctid from ${table} where ${old} limit $1))`,
          values: [rowsMax],
        }),
      );
      removed = result.rowCount ?? 0;
    }
}
