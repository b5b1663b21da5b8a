/**
 * The operators that queries outside this folder are built with, so that nobody else imports the
 * query builder. Values always travel as parameters.
 */
export { and, asc, desc, eq, gt, ilike, inArray, isNull, or, sql } from "drizzle-orm";
export type { SQL } from "drizzle-orm";
import type { Database } from "./pool.js";

/** A transaction, or the database itself: what a query can run on. */
export type Transaction = Parameters<Parameters<Database["transaction"]>[0]>[0];
export type Queryable = Database | Transaction;
