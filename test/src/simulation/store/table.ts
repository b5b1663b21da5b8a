// Owns one table: rows by their primary key, indexes (some of them unique, some over part of the rows), defaults. Rows are values: a change
// makes a new one, so whoever holds one holds what was true then. Knows nothing of other tables but who refers to it.
import type { Column } from "./columns.js";
import { brokenReference, missingValue, notUnique } from "./sql-error.js";
import type { Transaction } from "./transaction.js";
import { fromJson, scalarText, toDriver, toJson } from "./value.js";

export interface IndexSpec {
  name: string;
  columns: readonly string[];
  unique?: boolean;
  /** Rows that the index is over; all by default. */
  where?: (row: Readonly<Record<string, unknown>>) => boolean;
}
export interface TableSpec {
  name: string;
  columns: readonly Column[];
  /** The primary key first; then in the order in which Postgres checks them. */
  indexes: readonly IndexSpec[];
}
/** Chance and time of the store. */
export interface Source {
  nowMs(): number;
  uuid(): string;
}
type Plain = Readonly<Record<string, unknown>>;

interface Index extends IndexSpec {
  /** Primary keys by the values of the columns. */
  keys: Map<string, Set<string>>;
}
interface Reference {
  constraint: string;
  from: Table<object>;
  column: string;
}

export class Table<Row extends object> {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly #rows = new Map<string, Row>();
  readonly #indexes: Index[];
  readonly #byName: ReadonlyMap<string, Column>;
  readonly #transaction: Transaction;
  readonly #source: Source;
  readonly #references: { constraint: string; column: string; to: Table<object> }[] = [];
  readonly #referrers: Reference[] = [];
  #serial = 0;

  constructor(spec: TableSpec, transaction: Transaction, source: Source) {
    this.name = spec.name;
    this.columns = spec.columns;
    this.#byName = new Map(spec.columns.map((column) => [column.name, column]));
    this.#indexes = spec.indexes.map((index) => ({ ...index, keys: new Map() }));
    this.#transaction = transaction;
    this.#source = source;
  }

  /** What Postgres would list as unique in it, and as references of it. */
  get rules(): { unique: string[]; references: string[] } {
    const unique = this.#indexes.filter((index) => index.unique);
    return {
      unique: unique.map(({ name, columns }) => `${name} (${columns.join(", ")})`),
      references: this.#references.map(
        ({ constraint, column, to }) => `${constraint} (${column}) ${to.name}`,
      ),
    };
  }
  get size(): number {
    return this.#rows.size;
  }
  /** In the order in which they were inserted. */
  rows(): Row[] {
    return [...this.#rows.values()];
  }
  where(condition: (row: Row) => boolean): Row[] {
    const found: Row[] = [];
    for (const row of this.#rows.values()) if (condition(row)) found.push(row);
    return found;
  }
  some(condition: (row: Row) => boolean): boolean {
    for (const row of this.#rows.values()) if (condition(row)) return true;
    return false;
  }
  /** By the values of the primary key. */
  get(...key: readonly unknown[]): Row | undefined {
    return this.#rows.get(key.length === 1 ? scalarText(key[0]) : keyText(key));
  }
  /** By the values of an index's columns, oldest first. @throws Error when there is no such index. */
  by(index: string, ...values: readonly unknown[]): Row[] {
    const known = this.#indexes.find(({ name }) => name === index);
    if (!known) throw new Error(`${this.name} has no index ${index}`);
    const keys = known.keys.get(values.length === 1 ? scalarText(values[0]) : keyText(values));
    return keys ? Array.from(keys, (key) => this.#rows.get(key)!) : [];
  }
  /** Every row that a partial index is over. */
  all(index: string): Row[] {
    const known = this.#indexes.find(({ name }) => name === index);
    if (!known) throw new Error(`${this.name} has no index ${index}`);
    return [...known.keys.values()].flatMap((keys) =>
      Array.from(keys, (key) => this.#rows.get(key)!),
    );
  }

  /** References another table's primary key. */
  refersTo(to: Table<object>, column: string, constraint: string): void {
    this.#references.push({ constraint, column, to });
    to.#referrers.push({ constraint, from: this, column });
  }

  /** Kept values by columns' names; what is absent gets its default. @throws SqlError as Postgres would. */
  insert(values: Partial<Row>): Row {
    const row: Record<string, unknown> = {};
    for (const column of this.columns) {
      const given = (values as Plain)[column.name];
      row[column.name] = given === undefined ? this.#absent(column) : given;
    }
    this.#check(row);
    const added = row as Row;
    const key = this.#keyOf(added);
    this.#put(key, added);
    this.#transaction.did(() => this.#take(key, added));
    for (const { column } of this.#references) this.#mustBeThere(column, added);
    return added;
  }

  /** The row as it is then. @throws SqlError as Postgres would. */
  update(row: Row, changes: Partial<Row>): Row {
    const key = this.#keyOf(row);
    const before = this.#current(key);
    const changed = { ...before, ...changes };
    this.#check(changed as Plain);
    const reindexed = this.#indexes.filter(
      (index) => valuesOf(index, before as Plain) !== valuesOf(index, changed as Plain),
    );
    for (const index of reindexed) this.#mustBeFree(index, changed as Plain, key);
    this.#rows.set(key, changed);
    for (const index of reindexed) move(index, key, before as Plain, changed as Plain);
    this.#transaction.did(() => {
      this.#rows.set(key, before);
      for (const index of reindexed) move(index, key, changed as Plain, before as Plain);
    });
    for (const { column } of this.#references)
      if ((before as Plain)[column] !== (changed as Plain)[column])
        this.#mustBeThere(column, changed);
    return changed;
  }

  /** @throws SqlError when something refers to it. */
  delete(row: Row): void {
    const key = this.#keyOf(row);
    const before = this.#current(key);
    this.#take(key, before);
    // Undone at the end of the table: the order of rows is nobody's promise.
    this.#transaction.did(() => this.#put(key, before));
    for (const { constraint, from, column } of this.#referrers)
      this.#transaction.atEnd(() => {
        if (!from.some((other) => (other as Plain)[column] === key)) return;
        throw brokenReference(
          constraint,
          `Key (id)=(${key}) is still referenced from table "${from.name}".`,
          { table: from.name, removed: this.name },
        );
      });
  }

  /** JSON names and JSON values, as records bring them: kept values by columns' names. */
  fromJson(record: Plain): Partial<Row> {
    const row: Record<string, unknown> = {};
    for (const { key, name, type } of this.columns)
      if (record[key] !== undefined) row[name] = fromJson(type, record[key]);
    return row as Partial<Row>;
  }
  /** The row as `to_jsonb` shows it. */
  json(row: Row): Record<string, unknown> {
    const shown: Record<string, unknown> = {};
    for (const { name, type } of this.columns) shown[name] = toJson(type, (row as Plain)[name]);
    return shown;
  }
  /** Columns of the row as the driver hands them over. */
  pick<Name extends keyof Row & string>(row: Row, ...names: Name[]): Record<Name, unknown> {
    const shown: Record<string, unknown> = {};
    for (const name of names)
      shown[name] = toDriver(this.#byName.get(name)!.type, (row as Plain)[name]);
    return shown as Record<Name, unknown>;
  }

  #absent({ name, absent }: Column): unknown {
    switch (absent.kind) {
      case "none":
        return null;
      case "now":
        return this.#source.nowMs();
      case "uuid":
        return this.#source.uuid();
      case "next":
        // As a sequence: a statement that fails does not give its number back.
        return (this.#serial += 1);
      case "value":
        return absent.value;
      default:
        throw new Error(`a default of ${this.name}.${name} is unknown`);
    }
  }
  /** @throws Error when the caller holds a row that is gone. */
  #current(key: string): Row {
    const row = this.#rows.get(key);
    if (!row) throw new Error(`${this.name} has no row ${key} any more`);
    return row;
  }
  #check(row: Plain): void {
    for (const { name, notNull } of this.columns)
      if (notNull && row[name] === null) throw missingValue(this.name, name);
  }
  #keyOf(row: Row): string {
    return valuesOf(this.#indexes[0]!, row as Plain)!;
  }
  #put(key: string, row: Row): void {
    for (const index of this.#indexes) this.#mustBeFree(index, row as Plain, null);
    this.#rows.set(key, row);
    for (const index of this.#indexes) move(index, key, null, row as Plain);
  }
  #take(key: string, row: Row): void {
    this.#rows.delete(key);
    for (const index of this.#indexes) move(index, key, row as Plain, null);
  }
  #mustBeFree(index: Index, row: Plain, own: string | null): void {
    if (!index.unique) return;
    const values = valuesOf(index, row);
    const holders = values === null ? undefined : index.keys.get(values);
    if (!holders || (own !== null && holders.has(own))) return;
    throw notUnique(
      index.name,
      index.columns.join(", "),
      index.columns.map((column) => scalarText(row[column])).join(", "),
    );
  }
  #mustBeThere(column: string, row: Row): void {
    const value = (row as Plain)[column];
    if (value === null) return;
    for (const reference of this.#references.filter((known) => known.column === column))
      this.#transaction.atEnd(() => {
        if (reference.to.get(value)) return;
        throw brokenReference(
          reference.constraint,
          `Key (${column})=(${scalarText(value)}) is not present in table "${reference.to.name}".`,
          { table: this.name },
        );
      });
  }
}

/** Null: the index is not over the row, or (as NULL is like nothing) a value is missing. */
function valuesOf({ columns, where }: IndexSpec, row: Plain): string | null {
  if (where && !where(row)) return null;
  if (columns.length === 1) {
    const value = row[columns[0]!];
    return value === null ? null : scalarText(value);
  }
  const values = columns.map((column) => row[column]);
  return values.includes(null) ? null : keyText(values);
}
// No value of a key has a NUL in it: Postgres keeps none.
const keyText = (values: readonly unknown[]): string => values.map(scalarText).join("\u0000");

function move(index: Index, key: string, before: Plain | null, after: Plain | null): void {
  const old = before && valuesOf(index, before);
  const fresh = after && valuesOf(index, after);
  if (old === fresh) return;
  if (old !== null) {
    const keys = index.keys.get(old);
    keys?.delete(key);
    if (keys?.size === 0) index.keys.delete(old);
  }
  if (fresh === null) return;
  const keys = index.keys.get(fresh);
  if (keys) keys.add(key);
  else index.keys.set(fresh, new Set([key]));
}
