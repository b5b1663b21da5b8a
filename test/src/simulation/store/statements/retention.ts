// Owns the statements that remove what is kept for a time only.
import type { Handler } from "../store.js";
import type { Table } from "../table.js";
import type { Tables } from "../tables.js";
import { changed, numberOf } from "./parameters.js";

const dayMs = 86_400_000;

/** At most `limit` of the rows. */
export function removeSome<Row extends object>(
  table: Table<Row>,
  rows: readonly Row[],
  limit: number,
): number {
  const removed = rows.slice(0, limit);
  for (const row of removed) table.delete(row);
  return removed.length;
}

const removeOld =
  <Row extends object>(
    tableOf: (tables: Tables) => Table<Row>,
    at: (row: Row) => number,
    days: number,
  ): Handler =>
  ({ tables, nowMs }, values) => {
    const table = tableOf(tables);
    const old = table.where((row) => at(row) < nowMs - days * dayMs);
    return changed(removeSome(table, old, numberOf(values, 0)));
  };

export const retentionHandlers: Record<string, Handler> = {
  remove_old_wake_verdicts: removeOld(
    (tables) => tables.wake_verdicts,
    (row) => row.created_at,
    7,
  ),
  remove_old_dead_letters: removeOld(
    (tables) => tables.dead_letters,
    (row) => row.created_at,
    30,
  ),
  remove_old_hosts: removeOld(
    (tables) => tables.hosts,
    (row) => row.lease_until,
    1,
  ),
};
