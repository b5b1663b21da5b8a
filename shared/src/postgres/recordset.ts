/**
 * Many rows in one statement: the rows travel as one JSON parameter and become a set of records. The
 * pieces of SQL are made from the schema, so a column's type is written once. Keys are the schema's
 * JSON names. One parameter whatever the number of rows, so the statement is planned once.
 */
import { getTableColumns, getTableName } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";

interface Column {
  key: string;
  /** Quoted column name. */
  name: string;
  type: string;
  /** What stands for an absent value of a column that must have one. */
  absent: string | null;
}

function columnsOf(table: PgTable, keys: readonly string[]): Column[] {
  const all = getTableColumns(table);
  return keys.map((key) => {
    const column = all[key];
    if (!column) throw new Error(`${getTableName(table)} has no column for ${key}`);
    const type = column.getSQLType();
    const absent =
      !column.notNull || !column.hasDefault
        ? null
        : type === "boolean"
          ? "false"
          : type === "integer" || type === "bigint"
            ? "0"
            : null;
    return { key, name: `"${column.name}"`, type, absent };
  });
}

const record = (columns: readonly Column[], param: string): string =>
  `json_to_recordset(${param}::json) as x(${columns.map(({ key, type }) => `"${key}" ${type}`).join(", ")})`;
const valueOf = ({ key, absent }: Column): string =>
  absent === null ? `x."${key}"` : `coalesce(x."${key}", ${absent})`;

/** `insert into T (…) select … from the records of `param`` (`x`); `values`: SQL in the place of a record's own value. */
export function insertRecords(
  table: PgTable,
  keys: readonly string[],
  param: string,
  values: Readonly<Record<string, string>> = {},
): string {
  const columns = columnsOf(table, keys);
  const selected = columns.map((column) => values[column.key] ?? valueOf(column));
  return (
    `insert into "${getTableName(table)}" (${columns.map(({ name }) => name).join(", ")}) ` +
    `select ${selected.join(", ")} from ${record(columns, param)}`
  );
}

/**
 * `update T set … from the records of `param` where the ids match`. `set` keys are written as they are, null
 * included; `keep` keys only where the record has a value.
 */
export function updateRecords(
  table: PgTable,
  keys: { id: string; set?: readonly string[]; keep?: readonly string[] },
  param: string,
): string {
  const id = columnsOf(table, [keys.id])[0]!;
  const set = columnsOf(table, keys.set ?? []);
  const keep = columnsOf(table, keys.keep ?? []);
  const changes = [
    ...set.map((column) => `${column.name} = ${valueOf(column)}`),
    ...keep.map(({ name, key }) => `${name} = coalesce(x."${key}", t.${name})`),
  ];
  return (
    `update "${getTableName(table)}" t set ${changes.join(", ")} ` +
    `from ${record([id, ...set, ...keep], param)} where t.${id.name} = x."${id.key}"`
  );
}
