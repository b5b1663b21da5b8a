/** Removes what is kept for a time only: verdicts after 7 days. Several hosts may do it at once. */
import { guarded } from "@reveille/shared/postgres/pool";
import type { Pool } from "@reveille/shared/postgres/pool";

/** A wake id or an idempotency key is remembered for 7 days. */
const verdictDays = 7;
/** Rows removed in one statement: what a few seconds of statement timeout allow many times over. */
const rowsMax = 20_000;

/** @throws RuntimeError `StoreUnavailable`. */
export async function purgeVerdicts(pool: Pool): Promise<void> {
  for (let removed = rowsMax; removed === rowsMax;) {
    const result = await guarded("purge verdicts", () =>
      pool.query(
        `delete from wake_verdicts where ctid = any(array(select ctid from wake_verdicts
           where created_at < now() - $1 * interval '1 day' limit $2))`,
        [verdictDays, rowsMax],
      ),
    );
    removed = result.rowCount ?? 0;
  }
}
