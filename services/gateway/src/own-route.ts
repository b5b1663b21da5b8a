/**
 * Routes that are Reveille's own: no client depends on their tolerance, so whatever they do not know is
 * refused by name. Lists come in pages with a cursor, which goes on where the page ended whatever was
 * written meanwhile.
 */
import { z } from "zod";
import { badField } from "./errors.js";
import { route } from "./route.js";
import type { AnyRoute, Route } from "./route.js";

type Fields = z.ZodObject | undefined;

/** As `route`, and strict: unknown keys in query and body are refused. */
export function ownRoute<
  P extends z.ZodType | undefined = undefined,
  Q extends Fields = undefined,
  B extends Fields = undefined,
>(definition: Route<P, Q, B>): AnyRoute {
  const made = route(definition);
  return {
    ...made,
    query: (definition.query ?? nothing).strict(),
    ...(made.method === "GET" ? {} : { body: (definition.body ?? nothing).strict() }),
  };
}
const nothing = z.object({});

/** A whole number in a query, refused when it is none or out of range. */
export const queryInteger = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,15}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.int().min(min).max(max))
    .meta({ type: "integer", minimum: min, maximum: max, pattern: undefined });

/** 100 by default: one screen. 1,000: about a megabyte of rows. */
export const pageQuery = {
  limit: queryInteger(1, 1_000).default(100),
  /** `next` of the page before. */
  cursor: z.string().max(500).optional(),
};

/** A page of a list; `next` null: there is no more. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.strictObject({ items: z.array(item), next: z.string().nullable() });

/**
 * Makes a page of the rows that were found, one more than the page has when there is a next one.
 * `key` names the place of a row in the order of the list.
 */
export function page<Row>(rows: readonly Row[], limit: number, key: (row: Row) => string[]) {
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, next: last ? encodeCursor(key(last)) : null };
}

const encodeCursor = (parts: string[]): string =>
  Buffer.from(JSON.stringify(parts)).toString("base64url");

/** The parts of a cursor that a page gave; undefined without one. @throws HttpError 400. */
export function readCursor<Shape extends z.ZodType>(
  cursor: string | undefined,
  shape: Shape,
): z.output<Shape> | undefined {
  if (cursor === undefined) return undefined;
  const read = shape.safeParse(parse(Buffer.from(cursor, "base64url").toString()));
  if (!read.success) throw badField(["cursor"], "must be the `next` of a page of this list");
  return read.data;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // no cursor of ours
  }
}
