/** Rows by their ids, some thousand at a time: what checks of files need of Postgres. Knows no table. */
import type { Snapshot } from "./snapshot.js";

/** Ids in one statement: a parameter of some hundred KiB. */
const idsMax = 5_000;

/** What a statement with one array of ids says, by the column `id`. */
export async function lookUp<Row extends { id: string }>(
  snapshot: Snapshot,
  sql: string,
  ids: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Row>> {
  const all = [...ids];
  const found = new Map<string, Row>();
  for (let from = 0; from < all.length; from += idsMax)
    for (const row of await snapshot.query<Row>(sql, [all.slice(from, from + idsMax)]))
      found.set(row.id, row);
  return found;
}

/** Pieces of at most so many. */
export function* pieces<T>(all: readonly T[], most = idsMax): Generator<T[]> {
  for (let from = 0; from < all.length; from += most) yield all.slice(from, from + most);
}
