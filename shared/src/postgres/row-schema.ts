/**
 * A table's row as JSON shows it, as a zod schema made from the columns: what an API says of its answers
 * cannot differ from the database. Knows no route.
 */
import { getTableColumns, getTableName } from "drizzle-orm";
import type { PgColumn, PgTable } from "drizzle-orm/pg-core";
import { z } from "zod";

type RowShape<Table extends PgTable> = { [Key in keyof Table["$inferSelect"] & string]: z.ZodType };

/** Of a whole row: no key more, none less. Take away and add with `omit` and `extend`. */
export function rowSchema<Table extends PgTable>(
  table: Table,
): z.ZodObject<RowShape<Table>, z.core.$strict> {
  const shape = Object.fromEntries(
    Object.entries(getTableColumns(table) as Record<string, PgColumn>).map(([key, column]) => [
      key,
      column.notNull ? valueSchema(table, column) : valueSchema(table, column).nullable(),
    ]),
  );
  return z.strictObject(shape as RowShape<Table>);
}

function valueSchema(table: PgTable, column: PgColumn): z.ZodType {
  switch (column.columnType) {
    case "PgUUID":
      return z.guid();
    case "PgText":
      return z.string();
    case "PgInteger":
    case "PgBigInt53":
    case "PgBigSerial53":
      return z.int();
    case "PgBoolean":
      return z.boolean();
    case "PgTimestamp":
      return z.iso.datetime();
    case "PgJsonb":
      return z.record(z.string(), z.unknown());
    default:
      throw new Error(`${getTableName(table)}.${column.name} is of a type that JSON does not show`);
  }
}
