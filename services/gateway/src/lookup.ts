/**
 * Finds the objects that a path names: by UUID, an agent also by its short name, an issue also by
 * its key. What belongs to another company is not found.
 */
import type { Database } from "@reveille/shared/postgres/pool";
import { sql } from "@reveille/shared/postgres/sql";
import { uuidSchema } from "@reveille/shared/protocol/ids";
import { z } from "zod";
import { requireCompany } from "./auth.js";
import type { Actor } from "./auth.js";
import { badField, conflict, notFound, unprocessable } from "./errors.js";

export const companyParams = z.object({ companyId: uuidSchema });
export const runParams = z.object({ runId: uuidSchema });
/** An agent's UUID, or with `?companyId` its short name. */
export const agentParams = z.object({ agentId: z.string() });
export const agentQuery = z.object({ companyId: uuidSchema.optional() });
/** An issue's UUID or key. */
export const issueParams = z.object({ issueId: z.string() });

const shortName = /^[a-z0-9][a-z0-9-]{0,199}$/;
const issueKey = /^[A-Z][A-Z0-9]{0,15}-\d{1,9}$/;

/** An agent's short name: what its name is in a URL. */
export const urlKeyOf = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "");

/** `urlKeyOf` in the database. */
export const urlKeySql = (name: unknown) =>
  sql`trim(both '-' from regexp_replace(lower(${name}), '[^a-z0-9]+', '-', 'g'))`;

export type AgentRow = NonNullable<Awaited<ReturnType<typeof agentById>>>;
/** A deleted agent is nowhere, even while its rows are still being removed. */
const agentById = (db: Database, id: string) =>
  db.query.agents.findFirst({
    where: (agents, { and, eq, isNull }) => and(eq(agents.id, id), isNull(agents.deletedAt)),
  });

/** @throws HttpError 400, 404, 409 (two agents of that short name), 422 (short name without company). */
export async function findAgent(
  db: Database,
  actor: Actor,
  reference: string,
  companyId?: string,
): Promise<AgentRow> {
  const id = uuidSchema.safeParse(reference);
  const agent = id.success
    ? await agentById(db, id.data)
    : await agentByShortName(db, actor, reference, companyId ?? actor.companyId ?? undefined);
  if (!agent) throw notFound("Agent");
  requireCompany(actor, agent.companyId, "Agent");
  return agent;
}

async function agentByShortName(
  db: Database,
  actor: Actor,
  reference: string,
  companyId: string | undefined,
): Promise<AgentRow | undefined> {
  if (!shortName.test(reference)) throw badField(["agentId"], "must be a UUID or a short name");
  if (!companyId) throw unprocessable("Agent shortname lookup requires companyId query parameter");
  // Before the look: that two agents share a name would tell of a foreign company, too.
  requireCompany(actor, companyId, "Agent");
  const found = await db.query.agents.findMany({
    where: (agents, { and, eq, isNull, ne }) =>
      and(
        eq(agents.companyId, companyId),
        ne(agents.status, "terminated"),
        isNull(agents.deletedAt),
        sql`${urlKeySql(agents.name)} = ${reference}`,
      ),
    limit: 2,
  });
  if (found.length > 1)
    throw conflict("Agent shortname is ambiguous in this company. Use the agent ID.");
  return found[0];
}

const issueBy = (db: Database, reference: { id: string } | { key: string }) =>
  db.query.issues.findFirst({
    where: (issues, { eq }) =>
      "id" in reference ? eq(issues.id, reference.id) : eq(issues.identifier, reference.key),
  });
export type IssueRow = NonNullable<Awaited<ReturnType<typeof issueBy>>>;

/** @throws HttpError 400, 404. */
export async function findIssue(db: Database, actor: Actor, reference: string): Promise<IssueRow> {
  const id = uuidSchema.safeParse(reference);
  const key = reference.toUpperCase();
  if (!id.success && !issueKey.test(key))
    throw badField(["issueId"], "must be a UUID or a key such as ABC-12");
  const issue = await issueBy(db, id.success ? { id: id.data } : { key });
  if (!issue) throw notFound("Issue");
  requireCompany(actor, issue.companyId, "Issue");
  return issue;
}

const runById = (db: Database, id: string) =>
  db.query.heartbeatRuns.findFirst({ where: (runs, { eq }) => eq(runs.id, id) });
export type RunRow = NonNullable<Awaited<ReturnType<typeof runById>>>;

/** @throws HttpError 404. */
export async function findRun(db: Database, actor: Actor, runId: string): Promise<RunRow> {
  const run = await runById(db, runId);
  if (!run) throw notFound("Heartbeat run");
  requireCompany(actor, run.companyId, "Heartbeat run");
  return run;
}

/**
 * What most routes need of a run: without its result, which may be megabytes.
 * @throws HttpError 404.
 */
export async function findRunHead(db: Database, actor: Actor, runId: string) {
  const run = await db.query.heartbeatRuns.findFirst({
    columns: {
      id: true,
      companyId: true,
      agentId: true,
      issueId: true,
      status: true,
      logStore: true,
      logRef: true,
      logBytes: true,
    },
    where: (runs, { eq }) => eq(runs.id, runId),
  });
  if (!run) throw notFound("Heartbeat run");
  requireCompany(actor, run.companyId, "Heartbeat run");
  return run;
}

/** @throws HttpError 404. */
export async function findCompany(db: Database, actor: Actor, companyId: string) {
  requireCompany(actor, companyId);
  const company = await db.query.companies.findFirst({
    where: (companies, { eq }) => eq(companies.id, companyId),
  });
  if (!company) throw notFound("Company");
  return company;
}
