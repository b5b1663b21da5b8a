/** Companies: the tenants. A company that is not active is a gate before all of its agents. */
import { sqlFailure } from "@reveille/shared/postgres/pool";
import { companies } from "@reveille/shared/postgres/schema";
import { eq } from "@reveille/shared/postgres/sql";
import { z } from "zod";
import { recordActivity } from "../activity.js";
import type { Actor } from "../auth.js";
import { centsSchema } from "../agent-settings.js";
import { companySchema, presentCompanies, presentCompany } from "../company-view.js";
import type { Context } from "../context.js";
import { conflict, notFound } from "../errors.js";
import { companyParams, findCompany } from "../lookup.js";
import type { AnyRoute } from "../route.js";
import { route } from "../route.js";

const fields = {
  name: z.string().trim().min(1).max(200),
  description: z.string().max(10_000).nullish(),
  budgetMonthlyCents: centsSchema,
  brandColor: z
    .string()
    .regex(/^#[0-9a-fA-F]{6}$/, "must be a colour such as #1a2b3c")
    .nullish(),
  requireBoardApprovalForNewAgents: z.boolean(),
};
const createSchema = z.object({
  ...fields,
  budgetMonthlyCents: centsSchema.default(0),
  // As Paperclip's: a hire waits for the board unless the company says otherwise.
  requireBoardApprovalForNewAgents: z.boolean().default(true),
});
/** What is spent follows from costs; `spentMonthlyCents` is dropped like every unknown key. */
const patchSchema = z
  .object({ ...fields, status: z.enum(["active", "paused", "archived"]) })
  .partial();

/** Companies of equal first letters that one request tries to tell apart. */
const prefixesMax = 50;
/** Companies in one answer. */
const listMax = 1_000;

export function companyRoutes(context: Context): AnyRoute[] {
  return [list(context), create(context), one(context), patch(context), archive(context)];
}

const list = ({ db, pool }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/companies",
    summary: "Companies, oldest first, 1,000 at most",
    responses: { 200: z.array(companySchema) },
    handle: async ({ actor }) =>
      presentCompanies(
        pool,
        await db.query.companies.findMany({
          where: (table, operators) =>
            actor.companyId === null ? undefined : operators.eq(table.id, actor.companyId),
          orderBy: (table, { asc }) => [asc(table.createdAt), asc(table.id)],
          limit: listMax,
        }),
      ),
  });

const create = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/companies",
    summary: "A new company",
    operatorOnly: true,
    body: createSchema,
    responses: { 201: companySchema },
    handle: async ({ body, actor, status }) => {
      const company = await insertCompany(context, body);
      await tell(context, company, "company.created", { name: company.name }, actor);
      status(201);
      return company;
    },
  });

const one = ({ db, pool }: Context): AnyRoute =>
  route({
    method: "GET",
    path: "/api/companies/:companyId",
    summary: "One company",
    params: companyParams,
    responses: { 200: companySchema },
    handle: async ({ params, actor }) =>
      presentCompany(pool, await findCompany(db, actor, params.companyId)),
  });

const patch = (context: Context): AnyRoute =>
  route({
    method: "PATCH",
    path: "/api/companies/:companyId",
    summary: "Changes a company; one that becomes active again goes on with its queues",
    params: companyParams,
    body: patchSchema,
    responses: { 200: companySchema },
    boardOnly: true,
    handle: async ({ params, body, actor }) =>
      changeCompany(context, params.companyId, body, { action: "company.updated", actor }),
  });

const archive = (context: Context): AnyRoute =>
  route({
    method: "POST",
    path: "/api/companies/:companyId/archive",
    summary: "Closes a company: its agents are woken no more",
    params: companyParams,
    responses: { 200: companySchema },
    boardOnly: true,
    handle: async ({ params, actor }) =>
      changeCompany(
        context,
        params.companyId,
        { status: "archived" },
        { action: "company.archived", actor },
      ),
  });

/**
 * Writes the change; where it may have opened a gate, agents look at their queues.
 * @throws HttpError 404.
 */
export async function changeCompany(
  context: Context,
  companyId: string,
  body: z.output<typeof patchSchema>,
  { action, actor }: { action: string; actor: Actor },
) {
  const { db, pool, admissions } = context;
  const before = await findCompany(db, actor, companyId);
  const changes = Object.fromEntries(
    Object.entries(body).filter(([, value]) => value !== undefined),
  );
  if (Object.keys(changes).length === 0) return presentCompany(pool, before);
  const [company] = await db
    .update(companies)
    .set({ ...changes, updatedAt: new Date() })
    .where(eq(companies.id, companyId))
    .returning();
  if (!company) throw notFound("Company");
  await tell(context, company, action, changes, actor);
  // Also when nothing changed: a repeat is how somebody answers a failure in between.
  if (body.status === "active" || body.budgetMonthlyCents !== undefined)
    await admissions.ofCompany(companyId);
  return presentCompany(pool, company);
}

const tell = (
  context: Context,
  company: { id: string },
  action: string,
  details: Record<string, unknown>,
  actor: Actor,
): Promise<void> =>
  recordActivity(context, {
    companyId: company.id,
    actor,
    action,
    entityType: "company",
    entityId: company.id,
    details,
  });

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
