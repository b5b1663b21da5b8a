// Owns how one value of a column comes in, is kept, and goes out: what JSON records bring, what the driver hands to the caller, and what
// JSON made by the server shows. Knows no table.
//
// Kept: times as milliseconds since 1970, JSON as parsed values that nobody changes, nanoseconds as bigint, all other numbers as number.
import { invalidText, SqlError } from "./sql-error.js";

/** Types that the schema and the records of the shell's statements use. */
export type ColumnType =
  "uuid" | "text" | "integer" | "bigint" | "boolean" | "timestamptz" | "jsonb" | "float8";

const typeNames: Readonly<Record<string, ColumnType>> = {
  uuid: "uuid",
  text: "text",
  int: "integer",
  integer: "integer",
  bigint: "bigint",
  bigserial: "bigint",
  boolean: "boolean",
  timestamptz: "timestamptz",
  "timestamp with time zone": "timestamptz",
  jsonb: "jsonb",
  "double precision": "float8",
};

/** @throws Error when the store does not know the type. */
export function columnType(name: string): ColumnType {
  const known = typeNames[name];
  if (!known) throw new Error(`the simulated store knows no type ${name}`);
  return known;
}

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Of a 4-byte integer. */
const integerMax = 2 ** 31 - 1;

/** A value of a JSON record as the column keeps it. @throws SqlError 22P02, 22003, 22007 as Postgres does. */
export function fromJson(type: ColumnType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  switch (type) {
    case "jsonb":
      return value;
    case "text":
      return typeof value === "string" ? value : JSON.stringify(value);
    case "uuid":
      return uuid(value);
    case "boolean":
      if (typeof value === "boolean") return value;
      throw invalidText("boolean", scalarText(value));
    case "integer":
    case "bigint":
      return wholeNumber(type, value);
    case "float8":
      return Number(value);
    case "timestamptz":
      return time(value);
  }
}

function uuid(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (!uuidPattern.test(text)) throw invalidText("uuid", text);
  return text.toLowerCase();
}
function wholeNumber(type: "integer" | "bigint", value: unknown): number | bigint {
  const text = String(value);
  if (!/^\s*[+-]?\d+\s*$/.test(text)) throw invalidText(type, text);
  const number = Number(text);
  if (type === "integer" && (number > integerMax || number < -integerMax - 1))
    throw new SqlError("22003", `value "${text}" is out of range for type integer`);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}
function time(value: unknown): number {
  const ms = Date.parse(String(value));
  if (Number.isNaN(ms))
    throw new SqlError(
      "22007",
      `invalid input syntax for type timestamp with time zone: "${String(value)}"`,
    );
  return ms;
}

/** A value that is neither JSON nor a time, as text. */
export const scalarText = (value: unknown): string => String(value as string | number | bigint);

/** As the driver hands it over in a column of its own: bigint as text, times as Date. */
export function toDriver(type: ColumnType, kept: unknown): unknown {
  if (kept === null || kept === undefined) return null;
  if (type === "bigint") return scalarText(kept);
  if (type === "timestamptz") return new Date(kept as number);
  return type === "jsonb" ? copyOf(kept) : kept;
}

/** As `to_jsonb` and `json_agg` show it: times as text with an offset and no trailing zeros. */
export function toJson(type: ColumnType, kept: unknown): unknown {
  if (kept === null || kept === undefined) return null;
  if (type === "timestamptz") return shownTime(kept as number);
  if (type === "jsonb") return copyOf(kept);
  return typeof kept === "bigint" ? Number(kept) : kept;
}

function shownTime(ms: number): string {
  const [seconds, fraction] = new Date(ms).toISOString().slice(0, -1).split(".");
  const digits = fraction!.replace(/0+$/, "");
  return `${seconds}${digits === "" ? "" : `.${digits}`}+00:00`;
}

/** Its own, because callers may change what they got. */
export function copyOf<T>(json: T): T {
  if (Array.isArray(json)) return json.map(copyOf) as T;
  if (typeof json !== "object" || json === null) return json;
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(json)) copy[key] = copyOf(value);
  return copy as T;
}

/** As numeric `round`: halves away from zero, no negative zero. */
export const rounded = (value: number): number =>
  Math.sign(value) * Math.round(Math.abs(value)) + 0;

/** Text that JSON escapes and Postgres cannot keep: NUL, and halves of surrogate pairs. */
const unkeptEscape = /(?<!\\)(?:\\\\)*\\u(0000|[dD][89a-fA-F])/;

/** The records of a JSON parameter. @throws SqlError 22P05 or 22P02 where `json_to_recordset` does. */
export function recordsOf(parameter: unknown): Record<string, unknown>[] {
  if (typeof parameter !== "string") throw new Error("records come as JSON text");
  if (parameter === "[]") return [];
  if (parameter.includes("\\u")) {
    const found = unkeptEscape.exec(parameter)?.[1];
    if (found === "0000") throw new SqlError("22P05", "unsupported Unicode escape sequence");
    if (found !== undefined) throw new SqlError("22P02", "invalid input syntax for type json");
  }
  return JSON.parse(parameter) as Record<string, unknown>[];
}
