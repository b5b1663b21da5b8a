/** Companies: the tenants. */
import { sqlFailure } from "@reveille/shared/postgres/pool";
import { companies } from "@reveille/shared/postgres/schema";
import { z } from "zod";
import type { Activity } from "../activity.js";
import type { Context } from "../context.js";
import { conflict } from "../errors.js";
import { companyParams, findCompany } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const createSchema = z.object({
  name: z.string().trim().min(1).max(200),
  description: z.string().max(10_000).nullish(),
  budgetMonthlyCents: z.number().int().min(0).max(2_147_483_647).default(0),
  brandColor: z
    .string()
    .regex(/^#[0-9a-fA-F]{6}$/, "must be a colour such as #1a2b3c")
    .nullish(),
});
/** Companies of equal first letters that one request tries to tell apart. */
const prefixesMax = 50;

export function companyRoutes(context: Context): AnyRoute[] {
  const { db, activity } = context;
  return [
    route({
      method: "GET",
      path: "/api/companies",
      summary: "Companies, oldest first",
      handle: async ({ actor }) =>
        db.query.companies.findMany({
          where: (table, { eq }) =>
            actor.companyId === null ? undefined : eq(table.id, actor.companyId),
          orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
          limit: 1_000,
        }),
    }),
    route({
      method: "POST",
      path: "/api/companies",
      summary: "A new company",
      operatorOnly: true,
      body: createSchema,
      handle: async ({ body, actor, status }) => {
        const company = await insertCompany(context, body);
        const created: Activity = {
          companyId: company.id,
          actor,
          action: "company.created",
          entityType: "company",
          entityId: company.id,
          details: { name: company.name },
        };
        await activity.write(db, created);
        activity.tell(created);
        status(201);
        return company;
      },
    }),
    route({
      method: "GET",
      path: "/api/companies/:companyId",
      summary: "One company",
      params: companyParams,
      handle: ({ params, actor }) => findCompany(db, actor, params.companyId),
    }),
  ];
}

/** Inserts with the first free prefix: three letters of the name, then the same with a number. */
async function insertCompany({ db }: Context, body: z.output<typeof createSchema>) {
  const letters =
    body.name
      .toUpperCase()
      .replace(/[^A-Z]/g, "")
      .slice(0, 3) || "CMP";
  for (let attempt = 1; attempt <= prefixesMax; attempt += 1) {
    // After some tries a large number is more likely free than the next one.
    const number = attempt < 10 ? attempt : Math.floor(Math.random() * 1e6);
    const issuePrefix = attempt === 1 ? letters : `${letters}${number}`;
    try {
      const [company] = await db
        .insert(companies)
        .values({ ...body, issuePrefix })
        .returning();
      if (company) return company;
    } catch (error) {
      if (sqlFailure(error).kind !== "unique") throw error;
    }
  }
  throw conflict("No free issue prefix was found for this name");
}
