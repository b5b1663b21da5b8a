/** Column shapes that many tables share. JSON names are camelCase, columns snake_case. */
import { sql } from "drizzle-orm";
import { jsonb, timestamp, uuid } from "drizzle-orm/pg-core";

export type Json = Record<string, unknown>;

export const id = () =>
  uuid("id")
    .primaryKey()
    .default(sql`gen_random_uuid()`);
export const at = (name: string) => timestamp(name, { withTimezone: true, mode: "date" });
export const createdAt = () => at("created_at").notNull().defaultNow();
export const updatedAt = () => at("updated_at").notNull().defaultNow();
export const json = (name: string) => jsonb(name).$type<Json>();
export const emptyJson = (name: string) => json(name).notNull().default({});
