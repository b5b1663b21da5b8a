// Owns what the simulated store takes from the database schema: names, types and defaults of columns, and the shape of a kept row. Knows no
// table by name.
import type { ColumnType } from "./value.js";
import { columnType } from "./value.js";

/** `companyId` as `company_id`. */
type Snake<Text extends string> = Text extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : Text;
type Kept<Value> = Value extends Date ? number : Value;

/** A row as the store keeps it: names of columns, times as milliseconds since 1970. */
export type StoredRow<Schema extends { $inferSelect: object }> = {
  readonly [Key in keyof Schema["$inferSelect"] & string as Snake<Key>]: Kept<
    Schema["$inferSelect"][Key]
  >;
};

/** What an absent value becomes. */
export type ColumnDefault =
  | { kind: "none" }
  | { kind: "now" }
  | { kind: "uuid" }
  | { kind: "next" }
  | { kind: "value"; value: unknown };

export interface Column {
  /** Its name in JSON. */
  key: string;
  name: string;
  type: ColumnType;
  notNull: boolean;
  absent: ColumnDefault;
}

/** What a column of the schema says of itself. */
interface SchemaColumn {
  name: string;
  notNull: boolean;
  hasDefault: boolean;
  default?: unknown;
  mapFromDriverValue?: unknown;
  columnType: string;
  getSQLType(): string;
}
const isColumn = (value: unknown): value is SchemaColumn =>
  typeof value === "object" && value !== null && "getSQLType" in value;

/** The columns of a table of the schema, in its order. */
export function columnsOf(schema: object): Column[] {
  return Object.entries(schema)
    .filter((entry): entry is [string, SchemaColumn] => isColumn(entry[1]))
    .map(([key, column]) => ({
      key,
      name: column.name,
      type: columnType(column.getSQLType()),
      notNull: column.notNull,
      absent: defaultOf(column),
    }));
}

function defaultOf(column: SchemaColumn): ColumnDefault {
  if (column.getSQLType() === "bigserial") return { kind: "next" };
  if (!column.hasDefault) return { kind: "none" };
  const { default: value } = column;
  if (typeof value !== "object" || value === null || !("queryChunks" in value))
    return { kind: "value", value };
  const text = (value as { queryChunks: { value: string[] }[] }).queryChunks
    .map((chunk) => chunk.value.join(""))
    .join("");
  if (text === "now()") return { kind: "now" };
  if (text === "gen_random_uuid()") return { kind: "uuid" };
  if (/^\d+$/.test(text))
    return {
      kind: "value",
      value: column.columnType === "PgBigInt64" ? BigInt(text) : Number(text),
    };
  throw new Error(`the simulated store knows no default ${text}`);
}
