import { defineConfig } from "drizzle-kit";

/** `npm run migration -w shared` writes the next migration from the schema. */
export default defineConfig({
  dialect: "postgresql",
  schema: "./dist/postgres/schema.js",
  out: "./migrations",
});
