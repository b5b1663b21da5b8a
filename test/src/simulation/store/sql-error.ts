// Owns the errors that the simulated store raises: the fields by which Postgres says what was wrong. Knows no table.

/** As the driver rejects with: `code` is the SQLSTATE, `constraint` and `detail` as Postgres fills them. */
export class SqlError extends Error {
  override readonly name = "error";
  readonly code: string;
  readonly constraint: string | undefined;
  readonly detail: string | undefined;
  constructor(code: string, message: string, said: { constraint?: string; detail?: string } = {}) {
    super(message);
    this.code = code;
    this.constraint = said.constraint;
    this.detail = said.detail;
  }
}

/** 23505: a value that may be there once is there twice. */
export const notUnique = (constraint: string, columns: string, values: string): SqlError =>
  new SqlError("23505", `duplicate key value violates unique constraint "${constraint}"`, {
    constraint,
    detail: `Key (${columns})=(${values}) already exists.`,
  });

/** 23503: a row refers to one that is not there, or the one that it refers to is removed. */
export const brokenReference = (
  constraint: string,
  detail: string,
  what: { table: string; removed?: string },
): SqlError =>
  new SqlError(
    "23503",
    what.removed === undefined
      ? `insert or update on table "${what.table}" violates foreign key constraint "${constraint}"`
      : `update or delete on table "${what.removed}" violates foreign key constraint "${constraint}" on table "${what.table}"`,
    { constraint, detail },
  );

/** 23502: a column that must have a value got none. */
export const missingValue = (table: string, column: string): SqlError =>
  new SqlError(
    "23502",
    `null value in column "${column}" of relation "${table}" violates not-null constraint`,
  );

/** 22P02: a text that is no value of the type. */
export const invalidText = (type: string, text: string): SqlError =>
  new SqlError("22P02", `invalid input syntax for type ${type}: "${text}"`);
