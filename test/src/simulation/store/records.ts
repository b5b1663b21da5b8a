// Owns the two shapes of SQL that are made from the schema (many rows from one JSON parameter, inserted or updated), read back from the
// shell's own statement: columns that it forgets are forgotten here too. Knows no table by name.
import { columnType, fromJson } from "./value.js";
import type { ColumnType } from "./value.js";

/** One column that a statement writes from one key of a record. */
interface Written {
  column: string;
  key: string;
  type: ColumnType;
  /** In the place of an absent value; null: NULL, or with `keep` what is there. */
  absent: unknown;
  /** Written only where the record has a value. */
  keep: boolean;
}
export interface RecordStatement {
  table: string;
  /** Which parameter has the records, from 0. */
  parameter: number;
  written: readonly Written[];
}

const record = String.raw`json_to_recordset\(\$(\d+)::json\) as x\(([^)]*)\)`;
const insertPattern = new RegExp(
  String.raw`\((insert into "(\w+)" \(([^)]*)\) select (.*?) from ${record})\)`,
  "s",
);
const updatePattern = new RegExp(
  String.raw`\((update "(\w+)" t set (.*?) from ${record} where t\."id" = x\."id")\)`,
  "s",
);
const unquoted = (text: string): string => text.replaceAll('"', "");
const literal = (text: string | undefined): unknown =>
  text === undefined ? null : text === "false" ? false : Number(text);

/** Types by key: `"id" uuid, "at" timestamp with time zone`. */
const typesOf = (list: string): [string, ColumnType][] =>
  list.split(", ").map((part) => {
    const space = part.indexOf(" ");
    return [unquoted(part.slice(0, space)), columnType(part.slice(space + 1))];
  });

/** The body of a part of the statement: `name as (…)`. @throws Error when it is not of the shape. */
function partOf(text: string, name: string, pattern: RegExp): RegExpExecArray {
  const start = text.indexOf(`${name} as (`);
  const found = start < 0 ? null : pattern.exec(text.slice(start, text.indexOf("),\n", start) + 1));
  if (!found) throw new Error(`the simulated store cannot read the part ${name} of a statement`);
  return found;
}

/** An insert made by `insertRecords`. Values that are SQL of their own are left to the caller. */
export function readInsert(text: string, name: string): RecordStatement {
  const [, , table, names, selected, parameter, keys] = partOf(text, name, insertPattern);
  const types = typesOf(keys!);
  const columns = names!.split(", ").map(unquoted);
  const written = columns.map((column, at): Written => {
    const [key, type] = types[at]!;
    const absent = new RegExp(`coalesce\\(x\\."${key}", (\\w+)\\)`).exec(selected!)?.[1];
    return { column, key, type, absent: literal(absent), keep: false };
  });
  return { table: table!, parameter: Number(parameter) - 1, written };
}

const assignment = /"(\w+)" = (?:x\."(\w+)"|coalesce\(x\."(\w+)", (?:t\."\w+"|(\w+))\))/g;

/** An update made by `updateRecords`. */
export function readUpdate(text: string, name: string): RecordStatement {
  const [, , table, changes, parameter, keys] = partOf(text, name, updatePattern);
  const types = new Map(typesOf(keys!));
  const written = Array.from(changes!.matchAll(assignment), (found): Written => {
    const [, column, plain, coalesced, absent] = found;
    const key = plain ?? coalesced!;
    const keep = coalesced !== undefined && absent === undefined;
    return { column: column!, key, type: types.get(key)!, absent: literal(absent), keep };
  });
  if (written.length + 1 !== types.size)
    throw new Error(`the simulated store cannot read every change of ${name}`);
  return { table: table!, parameter: Number(parameter) - 1, written };
}

/** The record's values by column, as the statement writes them. @throws SqlError as Postgres would. */
export function valuesOf(
  written: readonly Written[],
  record: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { column, key, type, absent, keep } of written) {
    const value = fromJson(type, record[key]) ?? absent;
    if (value !== null || !keep) values[column] = value;
  }
  return values;
}
